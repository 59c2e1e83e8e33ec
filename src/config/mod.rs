//! From a file and the environment to a [`Config`] that needs no further doubt.
//!
//! The way is: YAML → a tree with positions (`node`) → variables expanded (`expand`) → the environment laid over it (`env`) →
//! read and checked (`check`, and `providers`, `models` for their sections). All problems are collected and shown at once.
//! Nothing outside this room reads the environment or knows how a setting is spelled.

mod borrowed;
mod check;
mod dotenv;
mod env;
mod expand;
mod masked;
mod model_info;
mod models;
mod node;
mod postgres;
mod providers;
mod units;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use env::{Environment, PROVIDER_FIELDS, SETTINGS};
pub use node::Problem;
pub use postgres::PostgresUrl;

use crate::models::Said;
use crate::providers::Instance;
use crate::secret::KeyDigest;
use node::{Node, Problems, Value};

/// Everything that a user can set, in its checked form.
#[derive(Debug, Clone)]
pub struct Config {
    pub server: Server,
    pub access: Access,
    pub log: Log,
    pub routing: Routing,
    pub store: StoreSettings,
    pub media: MediaFetch,
    pub batches: Batches,
    /// How often the providers' lists of models are fetched anew.
    pub inventory_refresh: Duration,
    /// Sorted by name.
    pub instances: Vec<Instance>,
    /// Names that the user gave to models, sorted by name.
    pub models: Vec<ModelEntry>,
    /// What the user says of models; the instances have it, too.
    pub model_info: Arc<[Said]>,
    /// Nothing was configured, so the simulator answers, under any model name.
    pub is_demonstration: bool,
}

#[derive(Debug, Clone)]
pub struct Server {
    pub listen: SocketAddr,
    /// `None`: no metrics and administration.
    pub admin_listen: Option<SocketAddr>,
    pub threads: usize,
    /// Bytes of a request body that is read before it is routed.
    pub max_body: usize,
    /// Certificates to trust instead of the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// How long open exchanges may take to end when the gateway stops.
    pub drain: Duration,
    /// After this silence an idle client connection is closed.
    pub keep_alive: Duration,
}

/// Who may use the gateway.
#[derive(Debug, Clone)]
pub enum Access {
    Open,
    /// Holders of one of these keys.
    Keys(Vec<Tenant>),
    /// Reachable from elsewhere without any key set: one is made for this run.
    MakeKey,
}

/// A holder of a key.
#[derive(Debug, Clone)]
pub struct Tenant {
    pub name: String,
    pub key: KeyDigest,
    /// The model names that it may use; `None`: all.
    pub models: Option<Vec<String>>,
}

#[derive(Debug, Clone)]
pub struct Log {
    pub level: log::LevelFilter,
    /// Whether each exchange leaves a line on standard output.
    pub access: bool,
}

#[derive(Debug, Clone)]
pub struct Routing {
    pub strategy: Strategy,
    /// Further tries at a target that is the only one.
    pub retries: usize,
    /// Whether what a target has no place for is refused instead of left out.
    pub is_strict: bool,
}

/// Media that clients give by URL, for providers that do not fetch.
#[derive(Debug, Clone, Copy)]
pub struct MediaFetch {
    pub enabled: bool,
    /// Of all files of a request together.
    pub max_bytes: usize,
    /// For each file, redirects included.
    pub timeout: Duration,
    /// Whether hosts that are not on the public internet may be asked.
    pub allow_private: bool,
}

/// Many requests at once.
#[derive(Debug, Clone, Copy)]
pub struct Batches {
    /// Whether models of providers without batches are asked line by line.
    pub emulate: bool,
    /// Lines of one such batch that are under way at once.
    pub concurrency: usize,
    /// How soon a provider is asked again how far a batch is; the pauses grow to a hundred times as long.
    pub poll: Duration,
}

/// What is kept for clients beyond an exchange.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    pub place: StorePlace,
    /// How long a response is kept.
    pub retention: Duration,
    /// How long a file is kept whose bytes are here, and a batch that is over.
    pub file_retention: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePlace {
    /// Gone with the process.
    Memory,
    File(PathBuf),
    Postgres(PostgresUrl),
}

/// As it is spelled in the configuration, but for a password.
impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str(":memory:"),
            Self::File(path) => path.display().fmt(f),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

/// How one of several targets is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// In turn, by weight.
    #[default]
    Weighted,
    /// Of two drawn by chance the one with less to do.
    LeastBusy,
    /// The first that is healthy.
    Priority,
}

/// A name for one or several models.
#[derive(Debug, Clone)]
pub struct ModelEntry {
    pub name: String,
    pub strategy: Option<Strategy>,
    pub targets: Vec<ModelTarget>,
    /// Tried in this order when no target could answer.
    pub fallbacks: Vec<String>,
}

/// A model as users name it, with its share among its fellows.
#[derive(Debug, Clone)]
pub struct ModelTarget {
    pub model: String,
    pub weight: u32,
}

/// A configuration, and what its user should know about it.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub remarks: Vec<String>,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
}

/// Why there is no configuration: every problem, one a line.
#[derive(Debug)]
pub struct Invalid {
    file: Option<PathBuf>,
    problems: Vec<Problem>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{} is not usable:", file.display())?,
            None => write!(f, "the configuration is not usable:")?,
        }
        self.problems.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl std::error::Error for Invalid {}

/// Finds, reads and checks the configuration. `file` is the one that the user asked for.
pub fn load(file: Option<&Path>, env: &Environment) -> Result<Loaded, Invalid> {
    let wanted = file.map(Path::to_owned).or_else(|| env.set("NARTHEX_CONFIG").map(PathBuf::from));
    let usual = || Some(PathBuf::from("config.yaml")).filter(|path| path.exists());
    let Some(path) = wanted.or_else(usual) else { return parse("", env) };
    let result = match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text, env),
        Err(why) => Err(Invalid::one(format!("cannot be read: {why}"))),
    };
    match result {
        Ok(loaded) => Ok(Loaded { file: Some(path), ..loaded }),
        Err(invalid) => Err(Invalid { file: Some(path), ..invalid }),
    }
}

/// Reads and checks a configuration from the text of its file, which may be empty.
pub fn parse(text: &str, env: &Environment) -> Result<Loaded, Invalid> {
    let mut tree = read_yaml(text)?;
    let problems = Problems::default();
    let by_variable = keys_by_variable(&tree);
    expand::expand(&mut tree, "", env, &problems);
    let mut remarks = env::overlay(&mut tree, env);
    let config = check::check(&tree, &by_variable, env, &problems, &mut remarks);
    let problems = problems.into_vec();
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded { config, remarks, file: None }),
        _ => Err(Invalid { file: None, problems }),
    }
}

fn read_yaml(text: &str) -> Result<Node, Invalid> {
    // A file of comments alone is no YAML document.
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Node::default());
    }
    // Without the lines around the mistake, which may hold a key.
    let tree: Node = serde_yaml::from_str(text).map_err(|why| Invalid::one(why.without_snippet().to_string()))?;
    let tree = tree.into_spelled(text);
    match tree.value {
        Value::Map(_) | Value::Null => Ok(tree),
        _ => Err(Invalid::one("expected settings (`key: value` lines) at the top level".to_owned())),
    }
}

/// Names of the providers in the file whose key is given by a variable. Where that is not set the provider is left out, so
/// that one file can name more providers than a machine has keys for.
fn keys_by_variable(tree: &Node) -> Vec<String> {
    let providers = tree.get("providers").map(Node::entries).unwrap_or_default();
    let is_variable = |node: &Node| node.get("api_key").and_then(Node::as_text).is_some_and(|key| key.contains("${"));
    providers.iter().filter(|(_, node)| is_variable(node)).map(|(name, _)| name.clone()).collect()
}

impl Invalid {
    fn one(message: String) -> Self {
        let problem = Problem { origin: node::Origin::Unknown, path: String::new(), message };
        Self { file: None, problems: vec![problem] }
    }

    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl Config {
    /// The configuration as YAML, secrets masked.
    pub fn to_masked_yaml(&self) -> String {
        masked::write(self)
    }
}
