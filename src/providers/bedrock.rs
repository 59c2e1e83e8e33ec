//! Amazon Bedrock's hosts and paths: one for each region, one for running models and one for administering them.
//!
//! Sources: the service models `bedrock-runtime` 2023-09-30 and `bedrock` 2023-04-20 with their endpoint rules, and the partitions
//! of AWS, as botocore 1.4x has them.

use std::collections::BTreeMap;

use percent_encoding::utf8_percent_encode;

use super::urls::{UNRESERVED, destination, with_query};
use super::{BaseUrl, Call, Destination, Instance, Listing, Provider, Urls};
use crate::endpoints::Operation;
use crate::secret::Secret;

pub struct Bedrock;

/// The domain of a region's hosts, by how the region's name begins; the last one is that of all others.
const DOMAINS: &[(&str, &str)] = &[
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("", "amazonaws.com"),
];

/// What the hosts that run models serve, by the first segment; everything else belongs to the control plane.
const RUNTIME: &[&str] = &["async-invoke", "guardrail", "guardrail-checks", "model", "openai"];

/// The part of a host's name that tells the service.
const SERVICE: &str = "bedrock-runtime";
const FIPS: &str = "-fips";

/// Parameters of a query that sign it (SigV4 by query). They are the client's own credentials.
const SIGNATURE: &[&str] = &[
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

impl Urls for Bedrock {
    fn read_base(&self, text: &str, options: &BTreeMap<&'static str, String>) -> Result<BaseUrl, String> {
        let text = text.trim();
        if text.contains("://") {
            return BaseUrl::parse(text);
        }
        match is_region(text) {
            true => BaseUrl::parse(&usual(text, is_fips(options))),
            false => Err(format!("`{text}` is neither a region, such as us-east-1, nor a URL")),
        }
    }

    fn usual_base(&self, provider: &Provider, options: &BTreeMap<&'static str, String>) -> Option<BaseUrl> {
        let named = options.get("region").map(|region| usual(region, is_fips(options)));
        BaseUrl::parse(named.as_deref().or(provider.base_url)?).ok()
    }

    fn settle(
        &self,
        options: &mut BTreeMap<&'static str, String>,
        secrets: &BTreeMap<&'static str, Secret>,
        base: Option<&BaseUrl>,
    ) -> Result<(), String> {
        if options.contains_key("access_key_id") != secrets.contains_key("secret_access_key") {
            return Err("access_key_id and secret_access_key belong together; one of them is missing".to_owned());
        }
        if let Some(region) = options.get("region").filter(|region| !is_region(region)) {
            return Err(format!("region `{region}` is not the name of a region, such as us-east-1"));
        }
        if !matches!(options.get("fips").map(String::as_str), None | Some("true" | "false")) {
            return Err("fips is neither true nor false".to_owned());
        }
        let Some(named) = base.and_then(|base| region_in(&base.host)) else { return Ok(()) };
        match options.get("region") {
            Some(region) if region != named => {
                Err(format!("base_url is in the region {named}, but region says {region}; set one of them"))
            }
            Some(_) => Ok(()),
            None => {
                options.insert("region", named.to_owned());
                Ok(())
            }
        }
    }

    fn operation(&self, instance: &Instance, call: &Call<'_>) -> Destination {
        let path = match call.operation {
            Operation::Embeddings => format!("/model/{}/invoke", utf8_percent_encode(call.model, UNRESERVED)).into(),
            _ => call.path(),
        };
        destination(format!("{}{path}", instance.base.path), instance.provider.auth)
    }

    fn model_lists(&self, instance: &Instance, list: &str) -> Vec<Listing> {
        let at = |path: &str| Listing {
            base: control_plane(&instance.base),
            path_and_query: format!("{}{path}", instance.base.path),
            next: Some("nextToken"),
        };
        vec![at(list), at("/inference-profiles?maxResults=1000")]
    }

    fn passthrough(&self, instance: &Instance, rest: &str, query: Option<&str>) -> Destination {
        let query = query.map(|query| {
            let is_signature = |pair: &&str| {
                let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
                SIGNATURE.contains(&name.as_str())
            };
            query.split('&').filter(|pair| !is_signature(pair)).collect::<Vec<_>>().join("&")
        });
        let query = query.as_deref().filter(|query| !query.is_empty());
        let path = with_query(format!("{}/{rest}", instance.base.path), query);
        let first = rest.split('/').next().unwrap_or_default();
        let base = if RUNTIME.contains(&first) { None } else { control_plane(&instance.base) };
        Destination { base, ..destination(path, instance.provider.auth) }
    }
}

/// The region that an instance's requests are signed for.
pub fn region(instance: &Instance) -> &str {
    instance.option("region").unwrap_or("us-east-1")
}

fn is_fips(options: &BTreeMap<&'static str, String>) -> bool {
    options.get("fips").is_some_and(|fips| fips == "true")
}

fn usual(region: &str, is_fips: bool) -> String {
    let domain =
        DOMAINS.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("amazonaws.com", |(_, domain)| domain);
    format!("https://{SERVICE}{}.{region}.{domain}", if is_fips { FIPS } else { "" })
}

/// `us-east-1`, `us-gov-west-1`, `eusc-de-east-1`: words in small letters, then a number.
fn is_region(text: &str) -> bool {
    let mut parts = text.split('-').rev();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    parts.next().is_some_and(is_number) && parts.clone().count() >= 2 && parts.all(is_word)
}

/// The region in the name of one of AWS's hosts: in `bedrock-runtime.us-east-1.amazonaws.com` as in a VPC endpoint's
/// `vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com`.
fn region_in(host: &str) -> Option<&str> {
    DOMAINS.iter().find(|(_, domain)| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')))?;
    host.split('.').find(|part| is_region(part))
}

/// Where models are administered, if not where they are run: only AWS's own public hosts are two.
fn control_plane(base: &BaseUrl) -> Option<BaseUrl> {
    region_in(&base.host)?;
    let rest = base.host.strip_prefix(SERVICE)?;
    (rest.starts_with('.') || rest.starts_with(FIPS))
        .then(|| BaseUrl { host: format!("bedrock{rest}"), ..base.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> Result<String, String> {
        Bedrock.read_base(text, &BTreeMap::new()).map(|base| base.to_string())
    }

    #[test]
    fn a_base_url_is_a_region_or_a_url() {
        for (given, url) in [
            ("us-east-1", "https://bedrock-runtime.us-east-1.amazonaws.com"),
            (" eu-central-2 ", "https://bedrock-runtime.eu-central-2.amazonaws.com"),
            ("us-gov-west-1", "https://bedrock-runtime.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
            ("eusc-de-east-1", "https://bedrock-runtime.eusc-de-east-1.amazonaws.eu"),
            ("http://localhost:9/x/", "http://localhost:9/x"),
        ] {
            assert_eq!(base(given).as_deref(), Ok(url), "{given}");
        }
        for wrong in ["useast1", "us-east", "bedrock.us-east-1.amazonaws.com", "-1", "us--1", "US-EAST-1", ""] {
            assert!(base(wrong).expect_err("no base").contains("us-east-1"), "{wrong}");
        }
        let fips = BTreeMap::from([("fips", "true".to_owned())]);
        assert_eq!(
            Bedrock.read_base("us-east-1", &fips).expect("a base").host,
            "bedrock-runtime-fips.us-east-1.amazonaws.com"
        );
    }

    #[test]
    fn the_region_is_found_in_the_host() {
        let region = |url: &str, given: Option<&str>| {
            let mut options: BTreeMap<_, _> = given.map(|region| ("region", region.to_owned())).into_iter().collect();
            let base = BaseUrl::parse(url).expect("a URL");
            Bedrock.settle(&mut options, &BTreeMap::new(), Some(&base)).map(|()| options.get("region").cloned())
        };
        let found = |name: &str| Ok(Some(name.to_owned()));
        assert_eq!(region("https://bedrock-runtime.us-west-2.amazonaws.com", None), found("us-west-2"));
        assert_eq!(region("https://vpce-1-a.bedrock-runtime.eu-west-1.vpce.amazonaws.com", None), found("eu-west-1"));
        assert_eq!(region("https://bedrock-runtime-fips.us-east-1.amazonaws.com", None), found("us-east-1"));
        assert_eq!(region("https://bedrock.my-region-1.example.com", None), Ok(None));
        assert_eq!(region("http://localhost:1", Some("eu-west-1")), found("eu-west-1"));
        let both = region("https://bedrock-runtime.us-west-2.amazonaws.com", Some("us-east-1"));
        assert!(both.expect_err("two regions").contains("us-west-2"));
        assert!(region("http://localhost:1", Some("here")).is_err());
    }

    #[test]
    fn administration_is_at_another_host() {
        let host = |url: &str| control_plane(&BaseUrl::parse(url).expect("a URL")).map(|base| base.to_string());
        let is = |url: &str| Some(url.to_owned());
        assert_eq!(
            host("https://bedrock-runtime.us-east-1.amazonaws.com"),
            is("https://bedrock.us-east-1.amazonaws.com")
        );
        assert_eq!(
            host("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com"),
            is("https://bedrock-fips.us-gov-west-1.amazonaws.com")
        );
        assert_eq!(host("http://localhost:1"), None);
        assert_eq!(host("https://vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com"), None);
    }
}
