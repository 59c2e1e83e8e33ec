//! The real binary: in a directory of its own, with no environment but what a test gives it, on ports that nobody has.

use super::http::{Answer, Body, Client};
use super::soon;
use super::upstream::{Received, Reply, Upstream};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;

pub const JSON: (&str, &str) = ("content-type", "application/json");

/// What a gateway is to be started with.
pub struct Setup {
    directory: TempDir,
    config: Option<String>,
    variables: Vec<(String, String)>,
}

/// A gateway that runs until this is dropped.
pub struct Gateway {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    child: Child,
    output: watch::Receiver<Output>,
    _directory: TempDir,
}

/// Everything that was printed so far.
#[derive(Clone, Debug, Default)]
pub struct Output {
    pub stdout: String,
    pub stderr: String,
}

impl Setup {
    /// Nothing is configured.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self { directory, config: None, variables: Vec::new() }
    }

    /// With this `config.yaml`.
    pub fn config(text: impl Into<String>) -> Self {
        Self { config: Some(text.into()), ..Self::new() }
    }

    /// With these instances in the section `providers`, each a name and what stands in its braces.
    pub fn instances<'a>(instances: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        Self::config(providers(instances))
    }

    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// A file beside the configuration; answers with its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    }

    /// Adds text to `config.yaml`.
    pub fn and(mut self, text: &str) -> Self {
        let config = self.config.get_or_insert_default();
        config.push('\n');
        config.push_str(text);
        self
    }

    /// Runs a command to its end: whether it succeeded, and what it printed.
    pub fn run(&self, arguments: &[&str]) -> (bool, Output) {
        let output = self.command().args(arguments).output().expect("the binary runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.success(), Output { stdout: text(output.stdout), stderr: text(output.stderr) })
    }

    /// Starts it and waits until it is ready.
    pub async fn start(self) -> Gateway {
        let gateway = self.start_unready().await;
        gateway.ready().await;
        gateway
    }

    /// Starts it and waits until it listens.
    pub async fn start_unready(self) -> Gateway {
        let mut command = self.command();
        for (name, value) in [("NARTHEX_LISTEN", "127.0.0.1:0"), ("NARTHEX_ADMIN_LISTEN", "127.0.0.1:0")] {
            if !self.variables.iter().any(|(given, _)| given == name) {
                command.env(name, value);
            }
        }
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let (printed, output) = watch::channel(Output::default());
        collect(child.stdout.take().expect("piped"), printed.clone(), |output| &mut output.stdout);
        collect(child.stderr.take().expect("piped"), printed, |output| &mut output.stderr);
        let unbound = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut gateway = Gateway { address: unbound, admin: unbound, child, output, _directory: self.directory };
        let stderr = gateway.says(" listens on http://").await.stderr;
        let port = |mark: &str| -> Option<u16> {
            let rest = stderr.split_once(mark)?.1.split(['/', '\n']).next()?;
            rest.rsplit(':').next()?.parse().ok()
        };
        gateway.address.set_port(port(" listens on http://").expect("a port"));
        gateway.admin.set_port(port("metrics on http://").unwrap_or(0));
        gateway
    }

    fn command(&self) -> Command {
        if let Some(config) = &self.config {
            self.file("config.yaml", config);
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_narthex"));
        command.current_dir(&self.directory).env_clear().env("NARTHEX_THREADS", "2");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// The section `providers`.
pub fn providers<'a>(instances: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let line = |(name, settings): (&str, String)| format!("  {name}: {{{settings}}}\n");
    "providers:\n".to_owned() + &instances.into_iter().map(line).collect::<String>()
}

/// The settings of an instance of type `openai`, whose key is `key-` and the port: so a test knows which key belongs where.
pub fn openai(address: SocketAddr) -> String {
    format!("type: openai, base_url: \"http://{address}/v1\", api_key: key-{}", address.port())
}

impl Gateway {
    pub async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Posts JSON on a connection of its own.
    pub async fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.post_with(path, &[], body).await
    }

    /// The same, with further headers.
    pub async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        let headers = [&[JSON], headers].concat();
        self.client().await.exchange("POST", path, &headers, Body::Length(body.as_ref())).await
    }

    /// Asks for a chat by this model.
    pub async fn chat(&self, model: &str) -> Answer {
        self.post("/v1/chat/completions", format!(r#"{{"model":"{model}","messages":[]}}"#)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.client().await.exchange("GET", path, headers, Body::None).await
    }

    pub async fn metrics(&self) -> String {
        let mut client = Client::connect(self.admin).await;
        client.exchange("GET", "/metrics", &[], Body::None).await.text().to_owned()
    }

    /// The ids that `/v1/models` lists.
    pub async fn models(&self, headers: &[(&str, &str)]) -> Vec<String> {
        let answer = self.get_with("/v1/models", headers).await;
        let list: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        let ids = list["data"].as_array().unwrap_or_else(|| panic!("no list: {list}")).iter();
        ids.map(|model| model["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// Asks again and again, as whoever runs it would.
    pub async fn ready(&self) {
        let ready = async {
            while self.get("/health/ready").await.head.status != 200 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        soon("the gateway to be ready", ready).await;
    }

    /// Everything that it has printed so far.
    pub fn output(&self) -> Output {
        self.output.borrow().clone()
    }

    /// Waits until standard error holds this.
    pub async fn says(&self, text: &str) -> Output {
        let mut output = self.output.clone();
        let said = soon(text, output.wait_for(|output| output.stderr.contains(text))).await;
        match said {
            Ok(output) => output.clone(),
            Err(_) => panic!("it ended without saying {text:?}: {:?}", self.output()),
        }
    }

    /// Waits until there are this many access lines of requests other than for health and lists of models.
    pub async fn access_lines(&self, count: usize) -> Vec<serde_json::Value> {
        let lines = |output: &Output| -> Vec<serde_json::Value> {
            let lines = output.stdout.lines().map(|line| serde_json::from_str(line).expect("an access line is JSON"));
            lines.filter(|line: &serde_json::Value| line["operation"] != "health").collect()
        };
        let mut output = self.output.clone();
        let enough = output.wait_for(|output| lines(output).len() >= count);
        let output = soon("an access line", enough).await.expect("it lives");
        lines(&output)
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        kill(pid, signal).expect("it lives");
    }

    /// Waits until the process has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut output = self.output.clone();
        // Both pipes are closed by then.
        soon("the gateway to end", async { while output.changed().await.is_ok() {} }).await;
        self.child.wait().expect("it has ended")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::thread::sleep(Duration::from_millis(200));
            let Output { stdout, stderr } = self.output();
            eprintln!("--- the gateway printed:\n{stderr}{stdout}");
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whole lines, so that nobody reads half a one.
fn collect(pipe: impl Read + Send + 'static, printed: watch::Sender<Output>, which: fn(&mut Output) -> &mut String) {
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = String::new();
        while let Ok(1..) = pipe.read_line(&mut line) {
            printed.send_modify(|output| which(output).push_str(&line));
            line.clear();
        }
    });
}

/// A scripted upstream that lists models, and counts the other requests only.
pub struct Provider {
    pub upstream: Upstream,
}

impl Provider {
    /// Lists the model `m`, and answers everything else by calling `answer`.
    pub async fn start(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::listing(&["m"], answer).await
    }

    pub async fn listing(
        models: &'static [&'static str],
        answer: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let entries = models.iter().map(|id| format!(r#"{{"id":"{id}","object":"model","created":7}}"#));
        let list = format!(r#"{{"object":"list","data":[{}]}}"#, entries.collect::<Vec<_>>().join(","));
        let upstream =
            Upstream::start(move |request| if is_list(request) { Reply::json(200, &list) } else { answer(request) });
        Self { upstream: upstream.await }
    }

    /// Gives these replies in turn, then the last one again and again.
    pub async fn script(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies = Mutex::new(VecDeque::from_iter(replies));
        Self::start(move |_| {
            let mut replies = replies.lock().expect("not poisoned");
            if replies.len() > 1 { replies.pop_front().expect("more than one") } else { replies[0].clone() }
        })
        .await
    }

    /// Always gives this reply.
    pub async fn always(reply: Reply) -> Self {
        Self::start(move |_| reply.clone()).await
    }

    pub fn address(&self) -> SocketAddr {
        self.upstream.address
    }

    /// The settings of an instance of type `openai` that reaches it.
    pub fn settings(&self) -> String {
        openai(self.address())
    }

    /// A gateway with this as its only instance, called `up`.
    pub async fn behind_gateway(&self) -> Gateway {
        Setup::instances([("up", self.settings())]).start().await
    }

    pub fn requests(&self) -> Vec<Received> {
        self.upstream.requests().into_iter().filter(|request| !is_list(request)).collect()
    }

    /// Waits until this many requests have been received whole.
    pub async fn received(&self, count: usize) -> Vec<Received> {
        let enough = |requests: &[Received]| requests.iter().filter(|request| !is_list(request)).count() >= count;
        self.upstream.received_until(enough).await;
        self.requests()
    }
}

fn is_list(request: &Received) -> bool {
    request.method == "GET" && request.path.ends_with("/models")
}
