//! The numbers as Markdown, ready for `docs/benchmarks.md`.

use std::fmt::Write as _;

use crate::process::Memory;
use crate::{Arguments, UpstreamKind};

/// CPU of one workload: for each proxy, microseconds per request in each round.
pub struct CpuRow {
    pub workload: String,
    pub goal: f64,
    pub yardstick: Vec<f64>,
    pub candidate: Vec<f64>,
}

/// Latency of one workload through one target, all rounds together.
pub struct LatencyRow {
    pub workload: &'static str,
    pub moment: &'static str,
    /// Seconds, by target, the direct way first.
    pub targets: Vec<(&'static str, Vec<f64>)>,
}

pub struct MemoryRow {
    pub target: &'static str,
    pub idle: Memory,
    pub loaded: Memory,
}

#[derive(Default)]
pub struct Report {
    pub setting: Vec<String>,
    pub candidate: &'static str,
    pub cpu: Vec<CpuRow>,
    pub latency: Vec<LatencyRow>,
    pub memory: Vec<MemoryRow>,
    pub notes: Vec<String>,
}

/// Under which circumstances the numbers came about.
pub fn setting(arguments: &Arguments) -> Vec<String> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    // What the machine has, not what `--pin` left to this process.
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown CPU", |name| name.trim_start_matches([' ', '\t', ':']));
    let kernel = read("/proc/sys/kernel/osrelease");
    let upstream = match arguments.upstream {
        UpstreamKind::BuiltIn => "built-in",
        UpstreamKind::Simulate => "narthex simulate",
        UpstreamKind::Running(_) => "one that ran already",
    };
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("unknown");
    vec![
        format!("{cores} cores, {cpu}, Linux {}; load average at the start: {load}", kernel.trim()),
        format!(
            "upstream: {upstream}; worker threads of each proxy: {}; rounds: {}{}{}",
            arguments.threads,
            arguments.rounds(),
            if arguments.pin { "; pinned" } else { "" },
            if arguments.quick { "; quick: not to be quoted" } else { "" },
        ),
    ]
}

impl Report {
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        for line in &self.setting {
            writeln!(out, "- {line}")?;
        }
        if !self.cpu.is_empty() {
            writeln!(
                out,
                "\n### CPU per request (µs, least – **median** – most of the rounds)\n\n\
                 | workload | bare Pingora | {} | ratio | goal |\n|---|---|---|---|---|",
                self.candidate
            )?;
        }
        for row in &self.cpu {
            let pairs = row.candidate.iter().zip(&row.yardstick);
            let ratios: Vec<f64> = pairs.map(|(ours, theirs)| ours / theirs).collect();
            let (theirs, ours) = (spread(&row.yardstick, 1), spread(&row.candidate, 1));
            let ratio = spread(&ratios, 2);
            writeln!(out, "| {} | {theirs} | {ours} | {ratio} | {} |", row.workload, row.goal)?;
        }
        for moment in ["whole answer", "first event"] {
            let rows: Vec<_> = self.latency.iter().filter(|r| r.moment == moment).collect();
            if !rows.is_empty() {
                write_latency(out, moment, &rows)?;
            }
        }
        if !self.memory.is_empty() {
            writeln!(
                out,
                "\n### Memory (MiB: RSS / PSS / private)\n\n| proxy | just started | after all load |\n|---|---|---|"
            )?;
        }
        for row in &self.memory {
            let (idle, loaded) = (sizes(row.idle), sizes(row.loaded));
            writeln!(out, "| {} | {idle} | {loaded} |", row.target)?;
        }
        if !self.notes.is_empty() {
            writeln!(out)?;
        }
        for note in &self.notes {
            writeln!(out, "- {note}")?;
        }
        Ok(())
    }
}

fn write_latency(out: &mut String, moment: &str, rows: &[&LatencyRow]) -> std::fmt::Result {
    writeln!(out, "\n### Latency until the {moment} (ms, p50 / p99; in brackets what the proxy adds)\n")?;
    let names = rows.first().map(|row| row.targets.as_slice());
    let names: Vec<&str> = names.unwrap_or_default().iter().map(|(n, _)| *n).collect();
    writeln!(out, "| workload | {} |", names.join(" | "))?;
    writeln!(out, "|---|{}", "---|".repeat(names.len()))?;
    for row in rows {
        let direct = row.targets.first().map(|(_, taken)| tails(taken));
        write!(out, "| {} |", row.workload)?;
        for (at, (_, taken)) in row.targets.iter().enumerate() {
            let (p50, p99) = tails(taken);
            write!(out, " {p50:.3} / {p99:.3}")?;
            if let (true, Some((direct50, direct99))) = (at > 0, direct) {
                write!(out, " ({:+.3} / {:+.3})", p50 - direct50, p99 - direct99)?;
            }
            write!(out, " |")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn tails(seconds: &[f64]) -> (f64, f64) {
    (quantile(seconds, 0.50) * 1e3, quantile(seconds, 0.99) * 1e3)
}

fn spread(values: &[f64], digits: usize) -> String {
    if values.is_empty() {
        return "–".into();
    }
    let (least, median, most) = (quantile(values, 0.0), quantile(values, 0.5), quantile(values, 1.0));
    format!("{least:.digits$} – **{median:.digits$}** – {most:.digits$}")
}

fn sizes(memory: Memory) -> String {
    let Memory { rss, pss, private } = memory;
    format!("{rss:.1} / {pss:.1} / {private:.1}")
}

/// The nearest-rank quantile.
fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
