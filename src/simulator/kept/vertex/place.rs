//! The paths of jobs, and of the objects that they read and write.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

#[derive(Debug, PartialEq)]
pub enum What<'p> {
    /// Where an object's bytes are sent.
    Upload {
        bucket: Cow<'p, str>,
    },
    Objects {
        bucket: Cow<'p, str>,
    },
    /// An object, or with `alt=media` its bytes.
    Object {
        bucket: Cow<'p, str>,
        name: Cow<'p, str>,
    },
    /// `projects/…/locations/…`.
    Jobs {
        location: &'p str,
    },
    /// `projects/…/locations/…/batchPredictionJobs/…`.
    Job(&'p str),
    Cancel(&'p str),
}

impl<'p> What<'p> {
    pub fn of(path: &'p str) -> Option<Self> {
        let rest = path.trim_start_matches('/');
        let (is_upload, rest) = match rest.split_once('/')? {
            ("upload", rest) => (true, rest),
            ("download", rest) => (false, rest),
            _ => (false, rest),
        };
        match rest.strip_prefix("storage/v1/b/") {
            Some(rest) => storage(rest, is_upload),
            None => {
                ["v1/", "v1beta1/"].iter().find_map(|version| jobs(path.trim_start_matches('/').strip_prefix(version)?))
            }
        }
    }

    pub fn methods(&self) -> &'static [Method] {
        match self {
            Self::Upload { .. } | Self::Cancel(_) => &[Method::POST],
            Self::Objects { .. } => &[Method::GET],
            Self::Object { .. } | Self::Job(_) => &[Method::GET, Method::DELETE],
            Self::Jobs { .. } => &[Method::GET, Method::POST],
        }
    }
}

/// `rest`: a bucket, and what follows it.
fn storage(rest: &str, is_upload: bool) -> Option<What<'_>> {
    let (bucket, rest) = rest.split_once('/')?;
    let bucket = decoded(bucket);
    match (rest.split_once('/'), is_upload) {
        (None, true) => (rest == "o").then_some(What::Upload { bucket }),
        (None, false) => (rest == "o").then_some(What::Objects { bucket }),
        // Slashes of its name may come as they are.
        (Some(("o", name)), false) if !name.is_empty() => Some(What::Object { bucket, name: decoded(name) }),
        _ => None,
    }
}

fn jobs(rest: &str) -> Option<What<'_>> {
    let mut parts = rest.splitn(6, '/');
    let is_it = parts.next()? == "projects" && parts.next().is_some();
    let is_it = is_it && parts.next()? == "locations" && parts.next().is_some();
    if !is_it || parts.next()? != "batchPredictionJobs" {
        return None;
    }
    match parts.next() {
        None => Some(What::Jobs { location: rest.strip_suffix("/batchPredictionJobs")? }),
        Some(id) if id.is_empty() || id.contains('/') => None,
        Some(id) => match id.split_once(':') {
            None => Some(What::Job(rest)),
            Some((_, "cancel")) => Some(What::Cancel(rest.strip_suffix(":cancel")?)),
            Some(_) => None,
        },
    }
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_and_objects_have_their_paths() {
        let object = || What::Object { bucket: "b".into(), name: "a/c d".into() };
        for (path, what) in [
            ("/upload/storage/v1/b/b/o", What::Upload { bucket: "b".into() }),
            ("/storage/v1/b/b/o", What::Objects { bucket: "b".into() }),
            ("/storage/v1/b/b/o/a%2Fc%20d", object()),
            ("/storage/v1/b/b/o/a/c%20d", object()),
            ("/download/storage/v1/b/b/o/a%2Fc%20d", object()),
            ("/v1/projects/p/locations/l/batchPredictionJobs", What::Jobs { location: "projects/p/locations/l" }),
            (
                "/v1beta1/projects/p/locations/l/batchPredictionJobs/7",
                What::Job("projects/p/locations/l/batchPredictionJobs/7"),
            ),
            (
                "/v1/projects/p/locations/l/batchPredictionJobs/7:cancel",
                What::Cancel("projects/p/locations/l/batchPredictionJobs/7"),
            ),
        ] {
            assert_eq!(What::of(path), Some(what), "{path}");
        }
        for path in [
            "/upload/v1beta/files",
            "/storage/v1/b/b",
            "/v1/batches/b",
            "/v1/projects/p/locations/l/publishers/google/models/m:generateContent",
            "/v1/projects/p/locations/l/batchPredictionJobs/7:start",
        ] {
            assert_eq!(What::of(path), None, "{path}");
        }
    }
}
