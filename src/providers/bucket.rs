//! Where jobs of a cloud read their requests and leave their answers: a bucket of its object storage.

use super::BaseUrl;

/// A bucket, and where in it the gateway may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    pub name: String,
    /// What all of the gateway's objects begin with: empty, or with a slash at its end.
    pub prefix: String,
    /// Where it is asked: of S3 the bucket's own address, of Cloud Storage all of it.
    pub storage: BaseUrl,
}

impl Bucket {
    /// Reads `scheme://name/prefix`; the error says what is wrong with it.
    pub fn parse(text: &str, scheme: &str, storage: BaseUrl) -> Result<Self, String> {
        let wrong = || format!("batch_bucket `{text}` is not like {scheme}://name/prefix");
        let rest = text.trim().strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")).ok_or_else(wrong)?;
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_sign =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'_');
        let is_name = name.len() >= 3 && name.len() <= 222 && name.bytes().all(is_sign);
        let prefix = prefix.trim_matches('/');
        let is_plain = prefix.split('/').all(|part| !matches!(part, "." | ".."))
            && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._/=".contains(&byte));
        if !is_name || !is_plain {
            return Err(wrong());
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { name: name.to_owned(), prefix, storage })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_has_a_name_and_perhaps_a_prefix() {
        let storage = BaseUrl::parse("https://s3.us-east-1.amazonaws.com").expect("a URL");
        let parse = |text: &str| Bucket::parse(text, "s3", storage.clone()).map(|bucket| (bucket.name, bucket.prefix));
        let is = |name: &str, prefix: &str| Ok((name.to_owned(), prefix.to_owned()));
        assert_eq!(parse("s3://my-jobs"), is("my-jobs", ""));
        assert_eq!(parse(" s3://my-jobs/ "), is("my-jobs", ""));
        assert_eq!(parse("s3://my.jobs/a/b"), is("my.jobs", "a/b/"));
        for wrong in
            ["my-jobs", "gs://my-jobs", "s3://", "s3:///a", "s3://My", "s3://jobs/../a", "s3://jobs/a?b", "s3://jo bs"]
        {
            assert!(parse(wrong).expect_err(wrong).contains("s3://name/prefix"), "{wrong}");
        }
    }
}
