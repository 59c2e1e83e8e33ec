//! The processes under measurement: how each is started, known to be ready, and surely ended.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::provider::{ANTHROPIC, COMPATIBLE, MODEL, OPENAI};
use crate::workload::Side;

const KEY: &str = "bench-key";

/// Where requests go in one measurement: the upstream itself, or a proxy before it.
#[derive(Clone)]
pub struct Target {
    pub name: &'static str,
    pub address: SocketAddr,
    pub key: &'static str,
    /// What it is sent.
    pub side: Side,
    pub role: Role,
    /// The proxy's process, where there is one to measure.
    pub pid: Option<u32>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Role {
    /// No proxy at all.
    Direct,
    /// What is compared with.
    Yardstick,
    /// What is compared.
    Candidate,
}

/// A process that does not outlive its owner: dropped on success, error, panic and signal alike.
pub struct Process {
    child: Child,
    log: PathBuf,
}

/// How processes are started in this run.
pub struct Launcher {
    pub scratch: PathBuf,
    pub threads: usize,
    pub pin: bool,
}

impl Target {
    pub fn direct(address: SocketAddr) -> Target {
        Target { name: "direct", address, key: KEY, side: Side::Upstream, role: Role::Direct, pid: None }
    }
}

impl Launcher {
    pub fn bare_pingora(&self, binary: &Path, upstream: SocketAddr, role: Role) -> Outcome<(Process, Target)> {
        let address = free_address()?;
        let name = match role {
            Role::Candidate => "bare Pingora again",
            Role::Yardstick | Role::Direct => "bare Pingora",
        };
        let mut process = self.start(name, binary, |command| {
            command.arg(address.to_string()).arg(upstream.to_string());
            command.arg(self.threads.to_string());
        })?;
        process.wait_until_ready(address, "/v1/models")?;
        let target = Target { name, role, pid: Some(process.child.id()), ..Target::direct(address) };
        Ok((process, target))
    }

    pub fn narthex(&self, binary: &Path, upstream: SocketAddr) -> Outcome<(Process, Target)> {
        let (address, admin) = (free_address()?, free_address()?);
        let config = self.scratch.join("config.yaml");
        let threads = self.threads;
        let providers = [OPENAI, COMPATIBLE, ANTHROPIC].map(|provider| {
            format!(
                "{}: {{type: {}, api_key: upstream-key, base_url: \"http://{upstream}/v1\", models: [{MODEL}]}}",
                provider.instance, provider.kind
            )
        });
        let yaml = format!(
            "server: {{listen: \"{address}\", admin_listen: \"{admin}\", threads: {threads}, master_key: {KEY}}}\n\
             providers: {{{}}}\n\
             inventory: {{mode: allowlist}}\n",
            providers.join(", ")
        );
        std::fs::write(&config, yaml)?;
        let mut process = self.start("narthex", binary, |command| {
            command.arg("--config").arg(&config);
        })?;
        process.wait_until_ready(address, "/health/ready")?;
        let target = Target {
            name: "narthex",
            side: Side::Client,
            role: Role::Candidate,
            pid: Some(process.child.id()),
            ..Target::direct(address)
        };
        Ok((process, target))
    }

    pub fn simulator(&self, binary: &Path) -> Outcome<(Process, SocketAddr)> {
        let address = free_address()?;
        let mut process = self.start("simulator", binary, |command| {
            command.arg("simulate").arg("--listen").arg(address.to_string());
        })?;
        process.wait_until_ready(address, "/v1/models")?;
        Ok((process, address))
    }

    fn start(&self, name: &str, binary: &Path, arguments: impl FnOnce(&mut Command)) -> Outcome<Process> {
        if !binary.exists() {
            return Err(format!("{name}: {} was not built", binary.display()).into());
        }
        let mut command = if self.pin {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", "0"]).arg(binary);
            command
        } else {
            Command::new(binary)
        };
        arguments(&mut command);
        let log = self.scratch.join(format!("{name}.log"));
        let output = File::create(&log)?;
        #[expect(clippy::disallowed_methods, reason = "the rig is a program of its own")]
        let path = std::env::vars_os().filter(|(name, _)| name == "PATH");
        let child = command
            // Neither the caller's keys nor a stray `.env` may add providers. `taskset` is found through the caller's path.
            .env_clear()
            .envs(path)
            .current_dir(&self.scratch)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        eprintln!("{name}: pid {}", child.id());
        Ok(Process { child, log })
    }
}

impl Process {
    /// Asks until the answer is a 200.
    fn wait_until_ready(&mut self, address: SocketAddr, path: &str) -> Outcome<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("ended at its start ({status}):\n{}", self.logged()).into());
            }
            if answers_200(address, path).unwrap_or(false) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("no 200 from http://{address}{path} in 10 s:\n{}", self.logged()).into())
    }

    fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answers_200(address: SocketAddr, path: &str) -> Outcome<bool> {
    let limit = Duration::from_secs(1);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut status_line = [0; 12];
    stream.read_exact(&mut status_line)?;
    Ok(status_line.ends_with(b" 200"))
}

/// Another process could take the port before ours does; the run would then fail aloud at its start.
fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}
