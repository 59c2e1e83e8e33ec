//! A provider's address, taken apart once.

use std::fmt;

/// Scheme, host, port and path of a base URL. Its path has no trailing slash; at the host's root it is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    pub tls: bool,
    /// Without the brackets of an IPv6 address.
    pub host: String,
    pub port: u16,
    pub path: String,
}

impl BaseUrl {
    /// Reads `http(s)://host[:port][/path]`; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: http::Uri = text
            .trim()
            .parse()
            .map_err(|_| format!("`{text}` is not a URL; it must start with https:// or http://"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(format!("`{text}` must start with https:// or http://")),
        };
        let authority = uri.authority().ok_or_else(|| format!("`{text}` names no host"))?;
        if authority.as_str().contains('@') {
            return Err("credentials do not belong in a URL; use `api_key`".to_owned());
        }
        if uri.query().is_some() {
            return Err(format!("`{text}` must not have a query"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() {
            return Err(format!("`{text}` names no host"));
        }
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let path = uri.path().trim_end_matches('/').to_owned();
        for endpoint in ["/chat/completions", "/responses", "/embeddings", "/messages"] {
            if let Some(base) = path.strip_suffix(endpoint) {
                return Err(format!("`{text}` is an endpoint; the base URL ends in `{base}`"));
            }
        }
        Ok(Self { tls, host, port, path })
    }

    /// Completes a path that is the beginning of the provider's usual one, so that `https://api.groq.com` and
    /// `https://api.groq.com/openai/v1` mean the same; a proxy's prefix may stand before it.
    pub fn completed_by(mut self, usual: &Self) -> Self {
        if let Some(prefix) = self.prefix_before(usual) {
            self.path = format!("{prefix}{}", usual.path);
        }
        self
    }

    /// The path below which the provider's own paths begin, all of them: empty at its own host.
    pub fn root(&self, usual: Option<&Self>) -> String {
        let Some(usual) = usual.filter(|usual| usual.host != self.host) else { return String::new() };
        let prefix = self.prefix_before(usual).or_else(|| self.path.strip_suffix("/v1"));
        prefix.unwrap_or(&self.path).to_owned()
    }

    /// What stands in this path before the beginning of the usual one. A path that has nothing of it may mean anything.
    fn prefix_before(&self, usual: &Self) -> Option<&str> {
        let begins =
            |tail: &str| usual.path.strip_prefix(tail).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let starts = self.path.match_indices('/').map(|(at, _)| at);
        let found = starts.filter_map(|at| self.path.split_at_checked(at)).find(|(_, tail)| begins(tail));
        found.map(|(prefix, _)| prefix).or((self.path.is_empty()).then_some(""))
    }

    /// `host`, or `host:port` where the port is not the scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == if self.tls { 443 } else { 80 } { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> BaseUrl {
        BaseUrl::parse(text).expect("a URL")
    }

    #[test]
    fn takes_a_url_apart() {
        assert_eq!(parsed("https://API.example.com/v1/").to_string(), "https://api.example.com/v1");
        assert_eq!(parsed("http://[::1]:9000").to_string(), "http://[::1]:9000");
        assert_eq!(parsed("http://[::1]:9000").host, "::1");
        assert_eq!(parsed("https://h:443/a").authority(), "h");
    }

    #[test]
    fn completes_the_usual_path() {
        let usual = parsed("https://api.groq.com/openai/v1");
        let completed = |text| parsed(text).completed_by(&usual).path;
        assert_eq!(completed("http://localhost:1"), "/openai/v1");
        assert_eq!(completed("http://localhost:1/openai"), "/openai/v1");
        assert_eq!(completed("http://localhost:1/openai/v1/"), "/openai/v1");
        assert_eq!(completed("http://localhost:1/open"), "/open");
        assert_eq!(completed("http://localhost:1/other/v1"), "/other/v1");
        assert_eq!(completed("http://localhost:1/p/groq/openai"), "/p/groq/openai/v1");
    }

    #[test]
    fn finds_the_root_of_a_providers_paths() {
        let usual = parsed("https://generativelanguage.googleapis.com/v1beta/openai");
        let root = |text: &str| parsed(text).root(Some(&usual));
        for path in ["", "/v1beta", "/v1beta/openai"] {
            assert_eq!(root(&format!("https://generativelanguage.googleapis.com{path}")), "");
            assert_eq!(root(&format!("http://localhost:1{path}")), "");
            assert_eq!(root(&format!("http://localhost:1/p/gemini{path}")), "/p/gemini");
        }
        let usual = parsed("https://api.deepseek.com");
        assert_eq!(parsed("http://localhost:1/p/deepseek/v1").root(Some(&usual)), "/p/deepseek");
        assert_eq!(parsed("http://localhost:1/x").root(None), "");
    }

    #[test]
    fn says_what_is_wrong() {
        let wrong = |text| BaseUrl::parse(text).expect_err("no URL");
        assert!(wrong("api.openai.com/v1").contains("https://"));
        assert!(wrong("ftp://x").contains("https://"));
        assert!(wrong("https://key@x/v1").contains("api_key"));
        assert!(wrong("https://x/v1/chat/completions").contains("`/v1`"));
        assert!(wrong("https://x/v1?a=b").contains("query"));
    }
}
