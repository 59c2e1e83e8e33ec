//! What narthex costs beyond bare Pingora: `make bench`, or `cargo bench --bench gateway -- --help`.
//!
//! One run starts the upstream and both proxies, sends them the same requests in alternating rounds, so that whatever drifts
//! on the machine drifts for both, and reads what the kernel says that each proxy's process used. How to read the result is
//! in `docs/benchmarks.md`.
//!
//! - `workload`: what is sent; `wire`: in which words, and where an answer says what
//! - `upstream`: the built-in provider; `provider`: what it answers
//! - `client`, `http`: one connection that checks every answer
//! - `load`: closed loop and open loop
//! - `subject`: the processes; `process`: their CPU time and memory
//! - `run`: the rounds; `report`: Markdown

mod client;
mod http;
mod load;
mod process;
mod provider;
mod report;
mod run;
mod subject;
mod upstream;
mod wire;
mod workload;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::str::FromStr;

use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
#[command(about = "What narthex costs beyond bare Pingora")]
pub struct Arguments {
    /// A tenth of the requests, three rounds: to see that everything works.
    #[arg(long)]
    quick: bool,
    /// Measure one proxy alone.
    #[arg(long)]
    only: Option<Only>,
    /// A second bare Pingora in narthex's place: how far its ratios are from 1 is how far this machine can be trusted.
    #[arg(long)]
    against_itself: bool,
    /// Only this workload; may be given several times.
    #[arg(long = "workload", value_name = "NAME")]
    workloads: Vec<String>,
    /// Rounds per workload.
    #[arg(long)]
    rounds: Option<usize>,
    /// Requests per closed-loop round, instead of each workload's own number.
    #[arg(long)]
    requests: Option<usize>,
    /// Connections, instead of each workload's own number.
    #[arg(long)]
    connections: Option<usize>,
    /// Worker threads of each proxy.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Skip the latency part, or do nothing else.
    #[arg(long, value_enum, default_value_t = Part::All)]
    part: Part,
    /// `built-in`, `simulate` (the narthex binary's own simulator), or the address of something that runs already.
    #[arg(long, default_value = "built-in")]
    upstream: UpstreamKind,
    /// Keep the proxies on CPU 0 and the rig on CPU 1, by `taskset`.
    #[arg(long)]
    pin: bool,
    /// The narthex binary.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_narthex"))]
    narthex: PathBuf,
    /// The bare Pingora binary; by default the example that was built with this rig.
    #[arg(long)]
    bare: Option<PathBuf>,
    /// `cargo bench` says so; `cargo test --all-targets` does not, and then there is nothing to do.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Only {
    Bare,
    Narthex,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    All,
    Cpu,
    Latency,
}

#[derive(Clone)]
enum UpstreamKind {
    BuiltIn,
    Simulate,
    Running(SocketAddr),
}

impl FromStr for UpstreamKind {
    type Err = String;

    fn from_str(text: &str) -> Result<UpstreamKind, String> {
        match text {
            "built-in" => Ok(UpstreamKind::BuiltIn),
            "simulate" => Ok(UpstreamKind::Simulate),
            address => address
                .parse()
                .map(UpstreamKind::Running)
                .map_err(|_| "neither `built-in`, `simulate` nor an address".into()),
        }
    }
}

impl Arguments {
    fn wants(&self, proxy: Only) -> bool {
        self.only.is_none_or(|only| only == proxy)
    }

    fn wants_part(&self, part: Part) -> bool {
        self.part == Part::All || self.part == part
    }

    fn bare_binary(&self) -> PathBuf {
        let built = Path::new(env!("CARGO_BIN_EXE_narthex")).with_file_name("examples");
        self.bare.clone().unwrap_or(built.join("bare_pingora"))
    }

    fn rounds(&self) -> usize {
        let usual = if self.quick { 3 } else { 15 };
        self.rounds.unwrap_or(usual).max(1)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.bench {
        eprintln!("nothing measured: start me with `cargo bench --bench gateway`");
        return ExitCode::SUCCESS;
    }
    match measure(&arguments) {
        Ok(markdown) => {
            println!("{markdown}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Outcome<String> {
    if arguments.pin {
        pin_self()?;
    }
    // One thread: with the upstream's and a proxy's, three are busy, and the measured one is never starved by more.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        // Whichever ends first, the other futures are dropped, and the processes that `run` owns with them.
        tokio::select! {
            report = run::run(arguments) => Ok(report?.markdown()),
            _ = interrupt.recv() => Err("interrupted".into()),
            _ = terminate.recv() => Err("terminated".into()),
        }
    })
}

fn pin_self() -> Outcome<()> {
    let own = std::process::id().to_string();
    let status = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", "1", &own])
        .stdout(std::process::Stdio::null())
        .status()
        .map_err(|error| format!("--pin needs taskset: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err("--pin needs two CPUs".into()),
    }
}
