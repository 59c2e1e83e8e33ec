//! Amazon Bedrock's hosts and paths: one for each region, one for running models and one for administering them.
//!
//! Sources: the service models `bedrock-runtime` 2023-09-30, `bedrock` 2023-04-20 and `s3` 2006-03-01 with their endpoint rules, and the
//! partitions of AWS, as botocore 1.4x has them.

use std::collections::BTreeMap;

use percent_encoding::utf8_percent_encode;

use super::urls::{UNRESERVED, destination, with_query};
use super::{BaseUrl, Bucket, Call, Destination, Instance, Listing, Provider, Urls};
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
const STORAGE: &str = "s3";
const FIPS: &str = "-fips";
const USUAL_REGION: &str = "us-east-1";

impl Urls for Bedrock {
    fn read_base(&self, text: &str, options: &BTreeMap<&'static str, String>) -> Result<BaseUrl, String> {
        let text = text.trim();
        if text.contains("://") {
            return BaseUrl::parse(text);
        }
        match is_region(text) {
            true => BaseUrl::parse(&usual(SERVICE, text, is_fips(options))),
            false => Err(format!("`{text}` is neither a region, such as us-east-1, nor a URL")),
        }
    }

    fn usual_base(&self, provider: &Provider, options: &BTreeMap<&'static str, String>) -> Option<BaseUrl> {
        let named = options.get("region").map(|region| usual(SERVICE, region, is_fips(options)));
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

    /// The bucket's storage is the bucket's own address, below which are its objects.
    fn bucket(&self, options: &BTreeMap<&'static str, String>, has_key: bool) -> Result<Option<Bucket>, String> {
        let option = |name: &str| options.get(name).map(String::as_str);
        let Some(text) = option("batch_bucket") else {
            let alone = ["batch_role", "storage_url"].into_iter().find(|name| options.contains_key(name));
            return alone.map_or(Ok(None), |name| Err(format!("{name} is for batches, and batch_bucket is missing")));
        };
        if has_key {
            return Err(
                "batch_bucket needs AWS credentials: a Bedrock API key (api_key, AWS_BEARER_TOKEN_BEDROCK) opens \
                        no bucket of S3"
                    .to_owned(),
            );
        }
        match option("batch_role") {
            None => {
                return Err(
                    "batch_bucket needs a batch_role: the ARN of the role by which Bedrock opens the bucket, such \
                            as arn:aws:iam::123456789012:role/batches"
                        .to_owned(),
                );
            }
            Some(role) if !is_role(role) => {
                return Err(format!(
                    "batch_role `{role}` is no ARN of a role, such as arn:aws:iam::123456789012:role/batches"
                ));
            }
            Some(_) => {}
        }
        let region = option("region").unwrap_or(USUAL_REGION);
        let storage = match option("storage_url") {
            Some(url) => BaseUrl::parse(url).map_err(|why| format!("storage_url: {why}"))?,
            None => BaseUrl::parse(&usual(STORAGE, region, is_fips(options)))?,
        };
        let mut bucket = Bucket::parse(text, "s3", storage)?;
        if !is_bucket(&bucket) {
            return Err(format!(
                "batch_bucket `{text}` cannot be told to Bedrock: a bucket's name has 3 to 63 small letters, digits, `-` and \
                 `.`, and a prefix has letters, digits and `-._`, with a single `/` in between"
            ));
        }
        // Certificates of S3 cover one label before its host's name.
        match option("storage_url").is_none() && !bucket.name.contains('.') {
            true => bucket.storage.host = format!("{}.{}", bucket.name, bucket.storage.host),
            false => bucket.storage.path = format!("{}/{}", bucket.storage.path, bucket.name),
        }
        Ok(Some(bucket))
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
        let path = with_query(format!("{}/{rest}", instance.base.path), query);
        let first = rest.split('/').next().unwrap_or_default();
        let base = if RUNTIME.contains(&first) { None } else { control_plane(&instance.base) };
        Destination { base, ..destination(path, instance.provider.auth) }
    }
}

/// The region that an instance's requests are signed for.
pub fn region(instance: &Instance) -> &str {
    instance.option("region").unwrap_or(USUAL_REGION)
}

/// `RoleArn` in the service model.
fn is_role(text: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let is_account =
        |account: &str| account.is_empty() || account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    parts.next() == Some("arn")
        && parts.next().is_some_and(|partition| partition == "aws" || partition.starts_with("aws-"))
        && parts.next() == Some("iam")
        && parts.next() == Some("")
        && parts.next().is_some_and(is_account)
        && parts.next().and_then(|rest| rest.strip_prefix("role/")).is_some_and(|name| !name.is_empty())
}

/// Whether `S3Uri` of the service model has room for it, with what will stand behind it.
fn is_bucket(bucket: &Bucket) -> bool {
    let Bucket { name, prefix, .. } = bucket;
    let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let is_name = name.len() <= 63 && !name.contains('_') && is_end(name.bytes().next()) && is_end(name.bytes().last());
    is_name && !prefix.contains("//") && !prefix.contains('=') && prefix.len() <= 800
}

fn is_fips(options: &BTreeMap<&'static str, String>) -> bool {
    options.get("fips").is_some_and(|fips| fips == "true")
}

fn usual(service: &str, region: &str, is_fips: bool) -> String {
    let domain =
        DOMAINS.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("amazonaws.com", |(_, domain)| domain);
    format!("https://{service}{}.{region}.{domain}", if is_fips { FIPS } else { "" })
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

    const ROLE: &str = "arn:aws:iam::123456789012:role/service-role/batches";

    fn bucket(given: &[(&'static str, &str)]) -> Result<Option<Bucket>, String> {
        Bedrock.bucket(&given.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(), false)
    }

    #[test]
    fn a_bucket_has_an_address_of_its_own() {
        let at = |name: &str, more: &[(&'static str, &str)]| {
            let given = [&[("batch_bucket", name), ("batch_role", ROLE)], more].concat();
            bucket(&given).expect("a bucket").expect("a bucket").storage.to_string()
        };
        let region = |name: &'static str| [("region", name)];
        assert_eq!(at("s3://my-jobs/a", &[]), "https://my-jobs.s3.us-east-1.amazonaws.com");
        assert_eq!(at("s3://my.jobs/a", &[]), "https://s3.us-east-1.amazonaws.com/my.jobs");
        assert_eq!(at("s3://my-jobs", &region("cn-north-1")), "https://my-jobs.s3.cn-north-1.amazonaws.com.cn");
        assert_eq!(at("s3://my-jobs", &region("eusc-de-east-1")), "https://my-jobs.s3.eusc-de-east-1.amazonaws.eu");
        let fips = [("region", "us-west-2"), ("fips", "true")];
        assert_eq!(at("s3://my-jobs", &fips), "https://my-jobs.s3-fips.us-west-2.amazonaws.com");
        assert_eq!(at("s3://my-jobs", &[("storage_url", "http://localhost:9/s3/")]), "http://localhost:9/s3/my-jobs");
        assert_eq!(bucket(&[]), Ok(None));
    }

    #[test]
    fn half_a_setting_is_told() {
        let wrong = |given: &[(&'static str, &str)]| bucket(given).expect_err("it is wrong");
        let named = ("batch_bucket", "s3://my-jobs");
        assert!(wrong(&[("batch_role", ROLE)]).contains("batch_bucket is missing"));
        assert!(wrong(&[("storage_url", "http://localhost")]).contains("batch_bucket is missing"));
        assert!(wrong(&[named]).contains("needs a batch_role"));
        for role in
            ["batches", "arn:aws:iam::12:role/x", "arn:aws:iam::123456789012:user/x", "arn:aws:iam::123456789012:role/"]
        {
            assert!(wrong(&[named, ("batch_role", role)]).contains("no ARN of a role"), "{role}");
        }
        assert!(wrong(&[named, ("batch_role", ROLE), ("storage_url", "s3")]).contains("storage_url"));
        for name in ["s3://-my-jobs", "s3://my_jobs", "s3://my-jobs/a//b", "s3://my-jobs/a=1"] {
            assert!(wrong(&[("batch_bucket", name), ("batch_role", ROLE)]).contains(name), "{name}");
        }
        let keyed = BTreeMap::from([("batch_bucket", "s3://my-jobs".to_owned()), ("batch_role", ROLE.to_owned())]);
        assert!(Bedrock.bucket(&keyed, true).expect_err("a key").contains("API key"));
    }
}
