//! One whole run: start everything, then rounds in which the targets take turns.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::client::{Call, Connection};
use crate::load::{self, Latencies};
use crate::process::{CpuTime, CpuUsed, Memory};
use crate::report::{self, CpuRow, LatencyRow, MemoryRow, Report};
use crate::subject::{Launcher, Process, Role, Target};
use crate::upstream::{Seen, Upstream};
use crate::workload::{Side, Workload};
use crate::{Arguments, Only, Outcome, Part, UpstreamKind};

pub async fn run(arguments: &Arguments) -> Outcome<Report> {
    let scratch = tempfile::tempdir()?;
    let launcher = Launcher { scratch: scratch.path().to_owned(), threads: arguments.threads, pin: arguments.pin };
    let bench = Bench::start(arguments, &launcher)?;
    let workloads = Workload::named(&arguments.workloads)?;
    let mut report = Report { setting: report::setting(arguments), candidate: bench.candidate(), ..Report::default() };

    tokio::time::sleep(Duration::from_millis(500)).await;
    let idle = bench.memory()?;
    for workload in workloads {
        bench.check(workload, &mut report).await?;
        if arguments.wants_part(Part::Cpu) {
            bench.cpu(workload, &mut report).await?;
        }
        if arguments.wants_part(Part::Latency) {
            bench.latency(workload, &mut report).await?;
        }
    }
    let loaded = bench.memory()?;
    report.memory = bench
        .proxies()
        .zip(idle.into_iter().zip(loaded))
        .map(|(proxy, (idle, loaded))| MemoryRow { target: proxy.name, idle, loaded })
        .collect();
    Ok(report)
}

struct Bench<'a> {
    arguments: &'a Arguments,
    /// The direct way first, then the proxies.
    targets: Vec<Target>,
    /// What the built-in upstream saw; another upstream tells nothing.
    seen: Option<Arc<Seen>>,
    _processes: Vec<Process>,
}

impl Bench<'_> {
    fn start<'a>(arguments: &'a Arguments, launcher: &Launcher) -> Outcome<Bench<'a>> {
        let mut processes = Vec::new();
        let (upstream, seen) = match arguments.upstream {
            UpstreamKind::BuiltIn => {
                let upstream = Upstream::start()?;
                (upstream.address, Some(upstream.seen))
            }
            UpstreamKind::Simulate => {
                let (process, address) = launcher.simulator(&arguments.narthex)?;
                processes.push(process);
                (address, None)
            }
            UpstreamKind::Running(address) => (address, None),
        };
        let mut targets = vec![Target::direct(upstream)];
        if arguments.wants(Only::Bare) {
            let (process, target) = launcher.bare_pingora(&arguments.bare_binary(), upstream, Role::Yardstick)?;
            processes.push(process);
            targets.push(target);
        }
        if arguments.wants(Only::Narthex) {
            let (process, target) = if arguments.against_itself {
                launcher.bare_pingora(&arguments.bare_binary(), upstream, Role::Candidate)?
            } else {
                launcher.narthex(&arguments.narthex, upstream)?
            };
            processes.push(process);
            targets.push(target);
        }
        Ok(Bench { arguments, targets, seen, _processes: processes })
    }

    fn proxies(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(|target| target.pid.is_some())
    }

    fn candidate(&self) -> &'static str {
        let candidate = self.targets.iter().find(|t| t.role == Role::Candidate);
        candidate.map_or("narthex", |target| target.name)
    }

    fn memory(&self) -> Outcome<Vec<Memory>> {
        let pids = self.targets.iter().filter_map(|target| target.pid);
        pids.map(Memory::of).collect()
    }

    fn call(&self, target: &Target, workload: &Workload) -> Arc<Call> {
        let known = self.seen.is_some();
        Arc::new(Call::new(target.address, target.key, target.side, workload, known))
    }

    fn connections(&self, workload: &Workload) -> usize {
        self.arguments.connections.unwrap_or(workload.connections).max(1)
    }

    /// One exchange through every target, and a look at what the upstream was sent: a proxy that skips its work must not
    /// win the comparison.
    async fn check(&self, workload: &Workload, report: &mut Report) -> Outcome<()> {
        if let Some(seen) = &self.seen {
            seen.pause_between_events(workload.event_gap);
        }
        for target in &self.targets {
            let at = format!("{} through {}", workload.name, target.name);
            if let Some(seen) = &self.seen {
                seen.capture(true);
            }
            let mut connection = Connection::open(self.call(target, workload)).await?;
            connection.exchange().await.map_err(|error| format!("{at}: {error}"))?;
            let Some(seen) = &self.seen else { continue };
            seen.capture(false);
            let is_intact = arrived_intact(&seen.captured(), workload).map_err(|error| format!("{at}: {error}"))?;
            if !is_intact && !workload.is_translated() {
                report
                    .notes
                    .push(format!("{at}: the request's JSON arrived with the same values, but not byte for byte."));
            }
        }
        Ok(())
    }

    async fn cpu(&self, workload: &Workload, report: &mut Report) -> Outcome<()> {
        let usual = if self.arguments.quick { workload.requests / 10 } else { workload.requests };
        let requests = self.arguments.requests.unwrap_or(usual).max(1);
        let connections = self.connections(workload);
        for target in self.proxies() {
            load::closed(&self.call(target, workload), connections, requests / 4 + 1).await?;
        }
        let mut row = CpuRow {
            workload: format!("{}: {}", workload.name, workload.about),
            goal: workload.goal,
            yardstick: Vec::new(),
            candidate: Vec::new(),
        };
        // There and back, a b b a: what drifts steadily within a round cancels too.
        let half = requests.div_ceil(2);
        let mut taking_turns: Vec<&Target> = self.proxies().collect();
        for round in 1..=self.arguments.rounds() {
            let mut totals: Vec<(&Target, CpuUsed)> =
                taking_turns.iter().map(|target| (*target, CpuUsed::default())).collect();
            for _ in 0..2 {
                for (target, total) in &mut totals {
                    *total += self.cpu_half(target, workload, connections, half).await?;
                }
                totals.reverse();
            }
            taking_turns.reverse();
            for (target, total) in totals {
                let per_request = 1e6 / (2 * half) as f64;
                let micros = total.precise * per_request;
                eprintln!(
                    "{} round {round} {}: {micros:.1} µs CPU per request ({:.1} by ticks)",
                    workload.name,
                    target.name,
                    total.by_ticks * per_request,
                );
                match target.role {
                    Role::Candidate => row.candidate.push(micros),
                    Role::Yardstick | Role::Direct => row.yardstick.push(micros),
                }
            }
        }
        report.cpu.push(row);
        Ok(())
    }

    async fn cpu_half(
        &self,
        target: &Target,
        workload: &Workload,
        connections: usize,
        requests: usize,
    ) -> Outcome<CpuUsed> {
        let pid = target.pid.ok_or("no process to measure")?;
        let named_before = self.seen.as_ref().map(|seen| seen.named());
        let before = CpuTime::of(pid)?;
        load::closed(&self.call(target, workload), connections, requests)
            .await
            .map_err(|error| format!("{} through {}: {error}", workload.name, target.name))?;
        // What a proxy does after the last byte (its log line, its metrics) belongs to the round.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let used = CpuTime::of(pid)?.since(&before);
        if let (Some(seen), Some(before)) = (&self.seen, named_before) {
            let (name, named) = (target.name, seen.named() - before);
            if named != requests as u64 {
                return Err(format!(
                    "{name}: {named} of {requests} requests came with the upstream's name of the model"
                )
                .into());
            }
        }
        Ok(used)
    }

    async fn latency(&self, workload: &Workload, report: &mut Report) -> Outcome<()> {
        let span = Duration::from_millis(if self.arguments.quick { 700 } else { 1_500 });
        let connections = self.connections(workload);
        let mut pooled: Vec<Latencies> = Vec::new();
        pooled.resize_with(self.targets.len(), Latencies::default);
        // All rounds are pooled, so fewer and longer ones tell the same.
        for round in 0..self.arguments.rounds().div_ceil(3) {
            eprintln!("{} round {} latency", workload.name, round + 1);
            for (target, all) in self.targets.iter().zip(&mut pooled) {
                let call = self.call(target, workload);
                let one = load::open(&call, connections, workload.rate, span)
                    .await
                    .map_err(|error| format!("{} through {}: {error}", workload.name, target.name))?;
                all.whole.extend(one.whole);
                all.first_byte.extend(one.first_byte);
            }
        }
        let names = self.targets.iter().map(|target| target.name);
        let (whole, first): (Vec<_>, Vec<_>) =
            names.zip(pooled).map(|(name, all)| ((name, all.whole), (name, all.first_byte))).unzip();
        report.latency.push(LatencyRow { workload: workload.name, moment: "whole answer", targets: whole });
        if workload.is_stream() {
            report.latency.push(LatencyRow { workload: workload.name, moment: "first event", targets: first });
        }
        Ok(())
    }
}

/// Whether `got` is what the upstream should have been sent: an error when not, false when only the spelling differs.
fn arrived_intact(got: &[u8], workload: &Workload) -> Outcome<bool> {
    let expected = workload.body(Side::Upstream);
    if got == expected.as_bytes() {
        return Ok(true);
    }
    // Whether or not the client asks for token counts, narthex does.
    let read = |body: &[u8]| -> Outcome<(Value, bool)> {
        let mut body: Value = serde_json::from_slice(body)?;
        let asks = body.as_object_mut().and_then(|body| body.remove("stream_options")).is_some();
        Ok((body, asks))
    };
    let (expected, _) = read(expected.as_bytes())?;
    let (sent, asks_for_usage) = read(got)?;
    match sent == expected {
        true => Ok(asks_for_usage && workload.is_stream()),
        false => Err(format!("the upstream was sent another request: {}", String::from_utf8_lossy(got)).into()),
    }
}
