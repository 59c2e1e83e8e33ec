//! Google's cloud in miniature: tokens, a bucket whose lists have two objects a page, and jobs that end at the first look as the test
//! says. What it is asked for can be refused.

use crate::support::gateway::Setup;
use crate::support::upstream::{Received, Reply, Upstream};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

pub const JOBS: &str = "/v1/projects/p-1/locations/us-central1/batchPredictionJobs";
const TOKEN: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
const OBJECTS: &str = "/gcs/storage/v1/b/jobs/o";
const UPLOAD: &str = "/gcs/upload/storage/v1/b/jobs/o";

/// What is in the bucket.
pub type Objects = BTreeMap<String, Vec<u8>>;

pub struct Cloud {
    pub upstream: Upstream,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    objects: Objects,
    jobs: Vec<Value>,
}

impl Cloud {
    /// `end`: what a look shows beside the job itself, and what it leaves in the folder that it was given.
    /// `refuse`: what is answered instead; it knows how many requests to the same place came before.
    pub async fn start(
        end: impl Fn(&str, &mut Objects) -> Value + Send + Sync + 'static,
        refuse: impl Fn(&Received, usize) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let before = Mutex::new(BTreeMap::<String, usize>::new());
        let upstream = Upstream::start(move |request| {
            let mut state = shared.lock().expect("not poisoned");
            let place = format!("{} {}", request.method, request.path.split('?').next().expect("a path"));
            let count = {
                let mut before = before.lock().expect("not poisoned");
                let count = before.entry(place).or_default();
                *count += 1;
                *count - 1
            };
            let answered = refuse(request, count);
            answered.unwrap_or_else(|| state.answer(request, &end))
        })
        .await;
        Self { upstream, state }
    }

    pub fn setup(&self) -> Setup {
        let host = self.upstream.address;
        let account =
            format!("project: p-1, location: us-central1, metadata_host: \"{host}\", base_url: \"http://{host}\"");
        let bucket = format!("batch_bucket: gs://jobs/of, storage_url: \"http://{host}/gcs\"");
        let models = "models: [google/m, anthropic/c]";
        Setup::instances([("vertex", format!("{account}, {bucket}, {models}"))])
            .and("inventory: {mode: allowlist}")
            .and("batches: {poll: 20ms}")
            .env("NARTHEX_RETRIES", "0")
    }

    /// A job is made of this request, whoever hears of it.
    pub fn make(&self, body: &[u8]) {
        self.state.lock().expect("not poisoned").make(body);
    }

    pub fn objects(&self) -> Vec<String> {
        self.state.lock().expect("not poisoned").objects.keys().cloned().collect()
    }

    /// Requests whose method and path begin so.
    pub fn asked(&self, method: &str, path: &str) -> Vec<Received> {
        let is_it = |request: &Received| request.method == method && request.path.starts_with(path);
        self.upstream.requests().into_iter().filter(is_it).collect()
    }

    pub fn uploads(&self) -> Vec<Received> {
        self.asked("POST", UPLOAD)
    }
}

impl State {
    fn make(&mut self, body: &[u8]) -> Value {
        let mut job: Value = serde_json::from_slice(body).expect("JSON");
        job["name"] = format!("projects/77/locations/us-central1/batchPredictionJobs/{}", self.jobs.len() + 1).into();
        job["state"] = "JOB_STATE_PENDING".into();
        self.jobs.push(job.clone());
        job
    }

    fn answer(&mut self, request: &Received, end: &dyn Fn(&str, &mut Objects) -> Value) -> Reply {
        let url = url::Url::parse(&format!("http://cloud{}", request.path)).expect("a URL");
        let parameter =
            |name: &str| url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
        let object = || {
            let name = url.path().strip_prefix(OBJECTS)?.strip_prefix('/')?;
            Some(percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned())
        };
        if url.path() != TOKEN {
            assert_eq!(request.headers.get("authorization"), Some("Bearer ya29.test"), "{}", request.path);
        }
        match (request.method.as_str(), url.path()) {
            (_, TOKEN) => Reply::json(200, r#"{"access_token":"ya29.test","expires_in":3599,"token_type":"Bearer"}"#),
            ("POST", UPLOAD) => {
                let name = parameter("name").expect("a name");
                let shown = json!({"kind": "storage#object", "name": name, "size": request.body.len().to_string()});
                self.objects.insert(name, request.body.clone());
                Reply::json(200, shown.to_string())
            }
            ("GET", OBJECTS) => {
                let (prefix, after) =
                    (parameter("prefix").unwrap_or_default(), parameter("pageToken").unwrap_or_default());
                let is_wanted = |name: &&String| name.starts_with(&prefix) && **name > after;
                let names: Vec<_> = self.objects.keys().filter(is_wanted).collect();
                let items = names
                    .iter()
                    .take(2)
                    .map(|name| json!({"name": name, "size": self.objects[*name].len().to_string()}));
                let mut list = json!({"items": items.collect::<Vec<_>>()});
                if names.len() > 2 {
                    list["nextPageToken"] = names[1].as_str().into();
                }
                Reply::json(200, list.to_string())
            }
            ("GET" | "DELETE", _) if object().is_some() => {
                let name = object().expect("a name");
                let Some(content) = self.objects.get(&name).cloned() else {
                    let error = json!({"error": {"code": 404, "message": format!("No such object: jobs/{name}")}});
                    return Reply::json(404, error.to_string());
                };
                match (request.method.as_str(), parameter("alt").as_deref()) {
                    ("GET", Some("media")) => Reply::whole(200, "application/octet-stream", content),
                    ("GET", _) => {
                        Reply::json(200, json!({"name": name, "size": content.len().to_string()}).to_string())
                    }
                    _ => {
                        self.objects.remove(&name);
                        Reply::head(204, &[])
                    }
                }
            }
            ("POST", JOBS) => Reply::json(200, self.make(&request.body).to_string()),
            ("GET", JOBS) => {
                let filter = parameter("filter").unwrap_or_default();
                let is_it = |job: &&Value| filter == format!("display_name={}", job["displayName"]);
                let found: Vec<_> = self.jobs.iter().filter(is_it).collect();
                Reply::json(200, json!({"batchPredictionJobs": found}).to_string())
            }
            ("GET", path) => {
                let is_it = |job: &&Value| path == format!("/v1/{}", job["name"].as_str().expect("a name"));
                let Some(mut job) = self.jobs.iter().find(is_it).cloned() else { return Reply::json(404, "{}") };
                let folder = job["outputConfig"]["gcsDestination"]["outputUriPrefix"].as_str().expect("a folder");
                let folder = folder.strip_prefix("gs://jobs/").expect("in the bucket").to_owned();
                for (name, value) in end(&folder, &mut self.objects).as_object().expect("an object") {
                    job[name.as_str()] = value.clone();
                }
                Reply::json(200, job.to_string())
            }
            ("POST", path) if path.ends_with(":cancel") => Reply::json(200, "{}"),
            _ => Reply::json(404, "{}"),
        }
    }
}
