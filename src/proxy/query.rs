//! What of a client's query crosses the gateway.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Parameters that show who asks, in small letters: keys, tokens, and signatures (SigV4 by query). A provider is shown who asks by
/// ourselves.
const CREDENTIALS: &[&str] = &[
    "access_token",
    "api-key",
    "key",
    "subscription-key",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// A client's query as a provider sees it: without credentials and without `ours`, parameters that are for us alone. Every other byte
/// is as it was; `None` where nothing else was there.
pub fn passed_through<'a>(query: Option<&'a str>, ours: &[&str]) -> Option<Cow<'a, str>> {
    let query = query?;
    let stays = |pair: &&str| {
        let name: Cow<'_, [u8]> = percent_decode_str(pair.split('=').next().unwrap_or_default()).into();
        !CREDENTIALS.iter().chain(ours).any(|kept_back| name.eq_ignore_ascii_case(kept_back.as_bytes()))
    };
    if query.split('&').all(|pair| stays(&pair)) {
        return Some(query.into());
    }
    let rest = query.split('&').filter(stays).collect::<Vec<_>>().join("&");
    (!rest.is_empty()).then_some(rest.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stay_here() {
        for (given, left) in [
            ("key=k&alt=sse", Some("alt=sse")),
            ("alt=sse&%6bEy=k&KEY", Some("alt=sse")),
            ("a=%20b&access_token=k&a=2&api%2Dkey=k&", Some("a=%20b&a=2&")),
            ("Subscription-Key=k&X-Amz-Signature=s", None),
            ("provider=p", None),
            ("monkey=key&keys=1&a=key=b&", Some("monkey=key&keys=1&a=key=b&")),
            ("", Some("")),
        ] {
            assert_eq!(passed_through(Some(given), &["provider"]).as_deref(), left, "{given}");
        }
        assert_eq!(passed_through(None, &[]), None);
    }
}
