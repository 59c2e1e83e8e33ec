//! The command line: load the configuration, run.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use narthex::config::{self, Config, Environment, Loaded};
use narthex::dialects;
use narthex::gateway::{Gate, Gateway};
use narthex::providers::{Key, catalog, page};
use narthex::proxy::{self, Sockets};
use narthex::simulator::Behaviour;
use narthex::telemetry::AccessLog;

/// Few allocations of an exchange outlive it, and many threads make them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "narthex", version, about = "An AI gateway: any AI client, any model provider")]
struct Arguments {
    /// The configuration file; else NARTHEX_CONFIG, else ./config.yaml if it is there
    #[arg(long, short, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Check the configuration and show it as it was understood, secrets masked
    Check,
    /// List the providers that are known
    Providers {
        /// With all that is known of them, as a page in Markdown
        #[arg(long)]
        markdown: bool,
    },
    /// Tell what each dialect can be told, and what is lost on the way, as a page in Markdown
    Dialects,
    /// Ask each configured instance whether it can be reached, knows the key and serves what is configured; costs nothing
    Doctor {
        /// Only these instances
        instances: Vec<String>,
    },
    /// Serve the simulator alone
    Simulate {
        /// Where to listen
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9100")]
        listen: SocketAddr,
        /// Worker threads
        #[arg(long, default_value_t = 1)]
        threads: usize,
        #[command(flatten)]
        behaviour: Behaviour,
    },
    /// Ask a running gateway whether it is ready; for containers without a shell
    Health,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Providers { markdown }) => {
            if markdown {
                print!("{}", page::markdown(&common_variables()))
            } else {
                print_providers()
            }
            ExitCode::SUCCESS
        }
        Some(Command::Dialects) => {
            print!("{}", dialects::page::markdown());
            ExitCode::SUCCESS
        }
        Some(Command::Simulate { listen, threads, behaviour }) => {
            start_log(log::LevelFilter::Info);
            let bound = |address| eprintln!("narthex: the simulator listens on http://{address}/v1");
            finish(proxy::run_simulator(listen, threads.max(1), behaviour, bound))
        }
        Some(Command::Check) => with_config(arguments.config.as_deref(), |loaded| {
            loaded.remarks.iter().for_each(|remark| eprintln!("# {remark}"));
            print!("{}", loaded.config.to_masked_yaml());
            ExitCode::SUCCESS
        }),
        Some(Command::Doctor { instances }) => {
            with_config(arguments.config.as_deref(), |loaded| doctor(&loaded.config, &instances))
        }
        Some(Command::Health) => with_config(arguments.config.as_deref(), |loaded| health(&loaded.config)),
        None => with_config(arguments.config.as_deref(), |loaded| finish(serve(loaded))),
    }
}

fn with_config(file: Option<&Path>, go_on: impl FnOnce(Loaded) -> ExitCode) -> ExitCode {
    let loaded = Environment::of_process(Path::new(".env"))
        .map_err(|why| why.to_string())
        .and_then(|env| config::load(file, &env).map_err(|why| why.to_string()));
    match loaded {
        Ok(loaded) => go_on(loaded),
        Err(why) => {
            eprintln!("narthex: {why}");
            ExitCode::FAILURE
        }
    }
}

fn finish<E: std::fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("narthex: {why}");
            ExitCode::FAILURE
        }
    }
}

fn serve(loaded: Loaded) -> Result<(), Box<dyn std::error::Error>> {
    let Loaded { mut config, remarks, file } = loaded;
    start_log(config.log.level);
    let sockets = Sockets::bind(&mut config)?;
    let (access_log, _writer) = if config.log.access {
        let (log, writer) = AccessLog::to(std::io::stdout())?;
        (log, Some(writer))
    } else {
        (AccessLog::off(), None)
    };
    let (gateway, made_key) = Gateway::new(config, access_log)?;
    match file {
        Some(file) => log::info!("configuration: {} and the environment", file.display()),
        None => log::info!("configuration: the environment"),
    }
    remarks.iter().for_each(|remark| log::warn!("{remark}"));
    introduce(&gateway);
    if let Some(key) = made_key {
        // The one place where a key is shown: nobody else knows it, and it is gone when this process is.
        eprintln!("narthex: no key is configured, so this one was made for this run: {}", key.expose());
        eprintln!("narthex: set NARTHEX_MASTER_KEY to choose your own, or NARTHEX_ALLOW_OPEN=true to let everybody in");
    }
    if let Some(admin) = sockets.admin() {
        log::info!("metrics on http://{admin}/metrics");
    }
    eprintln!("narthex {} listens on http://{}", env!("CARGO_PKG_VERSION"), sockets.traffic());
    proxy::run(Arc::new(gateway), sockets);
    Ok(())
}

fn introduce(gateway: &Gateway) {
    for instance in &gateway.config.instances {
        log::info!("{}: {} at {}", instance.name, instance.provider.title, instance.base);
    }
    if gateway.config.is_demonstration {
        log::warn!(
            "no provider is configured: the built-in simulator answers, under any model name. Set a key such as OPENAI_API_KEY."
        );
    }
    if matches!(gateway.gate, Gate::Open) {
        log::info!("open: no key is asked for");
    }
}

fn start_log(level: log::LevelFilter) {
    // What libraries tell in detail are headers and URLs, credentials included; and at the usual level Pingora tells
    // about itself, not about exchanges.
    let others =
        if level == log::LevelFilter::Info { log::LevelFilter::Warn } else { level.min(log::LevelFilter::Info) };
    let mut builder = env_logger::Builder::new();
    builder.filter_level(others).filter_module("narthex", level);
    // Amazon's crates show answers of credential services as they came; what matters of them is told by us.
    builder.filter_module("aws_", log::LevelFilter::Off);
    builder.init();
}

/// The ends of the variables that every provider has.
fn common_variables() -> Vec<&'static str> {
    config::PROVIDER_FIELDS.iter().map(|(variable, _)| *variable).collect()
}

fn print_providers() {
    println!("{:<12} {:<36} {:<24} base URL", "name", "provider", "key");
    for row in catalog::TABLE {
        let key = match row.key {
            Key::Required => format!("{}_API_KEY", row.env_prefix()),
            Key::Optional => "none needed".to_owned(),
            Key::OrOption(_) => format!("{}_API_KEY, or others", row.env_prefix()),
        };
        let base = match row.base_url {
            Some(_) if row.name == "simulator" => "built in".to_owned(),
            Some(base) => base.to_owned(),
            None => format!("{}_BASE_URL", row.env_prefix()),
        };
        println!("{:<12} {:<36} {:<24} {base}", row.name, row.title, key);
    }
}

/// Prints what is found; a failure if any instance is not well.
fn doctor(config: &Config, names: &[String]) -> ExitCode {
    start_log(log::LevelFilter::Off);
    if let Some(unknown) = names.iter().find(|name| !config.instances.iter().any(|known| known.name == **name)) {
        eprintln!("narthex: no instance is called `{unknown}`; `narthex check` shows those that are");
        return ExitCode::FAILURE;
    }
    match proxy::examine(config, names) {
        Ok(findings) => {
            findings.iter().for_each(|finding| println!("{finding}"));
            if findings.iter().all(|finding| finding.is_well) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => {
            eprintln!("narthex: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Over a plain socket: a container's probe needs no more.
fn health(config: &Config) -> ExitCode {
    use std::io::{Read, Write};
    let mut address = config.server.listen;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let ask = || -> std::io::Result<String> {
        let patience = std::time::Duration::from_secs(5);
        let mut stream = std::net::TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.write_all(b"GET /health/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    match ask() {
        Ok(answer) => {
            println!("{}", answer.rsplit("\r\n").next().unwrap_or_default());
            if answer.starts_with("HTTP/1.1 200") { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => {
            eprintln!("narthex: http://{address} does not answer: {why}");
            ExitCode::FAILURE
        }
    }
}
