//! What the kernel knows about a process: CPU time and memory.

use std::fs;
use std::ops::AddAssign;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::Outcome;

/// CPU time that a process had used at one moment.
pub struct CpuTime {
    /// The CPU clock of the whole process, in nanoseconds. Threads that ended are in it: a sum over those that live would
    /// flatter a proxy that starts a thread for each connection.
    clock: Duration,
    /// User and system time in clock ticks: coarse, and read by another way.
    ticks: u64,
}

/// CPU time used between two moments, in seconds, by both measures.
#[derive(Clone, Copy, Default)]
pub struct CpuUsed {
    pub precise: f64,
    pub by_ticks: f64,
}

impl CpuTime {
    pub fn of(pid: u32) -> Outcome<CpuTime> {
        let process = Pid::from_raw(i32::try_from(pid)?);
        let clock = clock_gettime(ClockId::pid_cpu_clock_id(process)?)?.into();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in brackets may hold spaces; user and system time are the 12th and 13th field after it.
        let (_, after_name) = stat.rsplit_once(") ").ok_or("an odd stat line")?;
        let mut ticks = 0;
        for field in after_name.split(' ').skip(11).take(2) {
            ticks += field.parse::<u64>()?;
        }
        Ok(CpuTime { clock, ticks })
    }

    pub fn since(&self, before: &CpuTime) -> CpuUsed {
        /// `USER_HZ`: a constant of the kernel's interface on every common platform.
        const TICKS_PER_SECOND: f64 = 100.0;
        CpuUsed {
            precise: self.clock.saturating_sub(before.clock).as_secs_f64(),
            by_ticks: self.ticks.saturating_sub(before.ticks) as f64 / TICKS_PER_SECOND,
        }
    }
}

impl AddAssign for CpuUsed {
    fn add_assign(&mut self, more: CpuUsed) {
        self.precise += more.precise;
        self.by_ticks += more.by_ticks;
    }
}

/// Memory in MiB. `pss` shares out pages that several processes map; `private` is what would be freed.
#[derive(Clone, Copy)]
pub struct Memory {
    pub rss: f64,
    pub pss: f64,
    pub private: f64,
}

impl Memory {
    pub fn of(pid: u32) -> Outcome<Memory> {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let mib = |key: &str| -> f64 {
            rollup
                .lines()
                .filter_map(|line| line.strip_prefix(key)?.split_whitespace().next())
                .filter_map(|kib| kib.parse::<f64>().ok())
                .sum::<f64>()
                / 1024.0
        };
        Ok(Memory { rss: mib("Rss:"), pss: mib("Pss:"), private: mib("Private_Clean:") + mib("Private_Dirty:") })
    }
}
