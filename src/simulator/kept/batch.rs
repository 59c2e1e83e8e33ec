//! A batch, as all vendors have them: lines that are answered later. What happens later happens when somebody looks: there is
//! no clock, so a test decides how far a batch has come by how often it asks.

use super::super::Behaviour;
use super::super::answer::now;
use super::line::{Line, Outcome};
use super::page::Named;
use super::stock::Ledger;

pub const DAY: u64 = 24 * 60 * 60;

pub struct Batch<D> {
    pub id: String,
    pub made: u64,
    pub lines: Vec<Line>,
    pub state: State,
    /// How often somebody asked how far it is.
    pub looks: u32,
    /// The same, since lines were added last.
    looks_at_these: u32,
    pub cancels: u32,
    /// Seconds since 1970, as all times here.
    pub started: Option<u64>,
    pub cancelling: Option<u64>,
    pub ended: Option<u64>,
    /// What was set when it was made.
    behaviour: Behaviour,
    /// Whether its vendor tells that the lines are done and the answers are being put together.
    tells_finishing: bool,
    /// What its vendor alone knows of it.
    pub details: D,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    New,
    Running,
    Finishing,
    Cancelling,
    Completed,
    Failed,
    Expired,
    Cancelled,
}

/// How a batch is to end, other than by being completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As a whole, without a line being run.
    Failed,
    /// Half of the lines were not run in time.
    Expired,
    /// The vendor stopped it, half-way.
    Cancelled,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub total: usize,
    pub succeeded: usize,
    pub failed: usize,
    pub cancelled: usize,
    pub expired: usize,
}

impl Counts {
    pub fn pending(self) -> usize {
        self.total - self.succeeded - self.failed - self.cancelled - self.expired
    }
}

impl<D> Named for Batch<D> {
    fn id(&self) -> &str {
        &self.id
    }
}

impl State {
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Expired | Self::Cancelled)
    }
}

impl<D> Batch<D> {
    pub fn new(id: String, lines: Vec<Line>, behaviour: &Behaviour, details: D) -> Self {
        Self {
            id,
            made: now(),
            lines,
            state: State::New,
            looks: 0,
            looks_at_these: 0,
            cancels: 0,
            started: None,
            cancelling: None,
            ended: None,
            behaviour: behaviour.clone(),
            tells_finishing: false,
            details,
        }
    }

    pub fn telling_finishing(self) -> Self {
        Self { tells_finishing: true, ..self }
    }

    /// Somebody asks how far it is, which moves it. Whether it ended just now.
    pub fn look(&mut self, ledger: &mut Ledger) -> bool {
        self.looks += 1;
        self.looks_at_these += 1;
        match self.state {
            State::New | State::Running | State::Finishing => self.go_on(ledger),
            State::Cancelling => self.end(State::Cancelled),
            State::Completed | State::Failed | State::Expired | State::Cancelled => return false,
        }
        self.state.has_ended()
    }

    /// More lines; one that was done is so no longer.
    pub fn add(&mut self, lines: Vec<Line>) {
        if lines.is_empty() {
            return;
        }
        self.lines.extend(lines);
        self.looks_at_these = 0;
        if self.state == State::Completed {
            self.state = State::Running;
            self.ended = None;
        }
    }

    /// It is not to go on. Of no effect once it has ended.
    pub fn cancel(&mut self) {
        self.cancels += 1;
        if matches!(self.state, State::New | State::Running | State::Finishing) {
            self.state = State::Cancelling;
            self.cancelling = Some(now());
        }
    }

    /// It stops at once.
    pub fn stop(&mut self) {
        self.cancel();
        if self.state == State::Cancelling {
            self.end(State::Cancelled);
        }
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts { total: self.lines.len(), ..Counts::default() };
        for line in &self.lines {
            match &line.outcome {
                None => {}
                Some(Outcome::Answered { status, .. }) if status.is_success() => counts.succeeded += 1,
                Some(Outcome::Answered { .. }) => counts.failed += 1,
                Some(Outcome::Cancelled) => counts.cancelled += 1,
                Some(Outcome::Expired) => counts.expired += 1,
            }
        }
        counts
    }

    fn go_on(&mut self, ledger: &mut Ledger) {
        self.started = self.started.or_else(|| Some(now()));
        let polls = self.behaviour.batch_polls();
        let looks = self.looks_at_these;
        if self.tells_finishing && polls > 1 && looks == polls && self.behaviour.batch_fail.is_none() {
            self.run(self.lines.len(), ledger);
            self.state = State::Finishing;
            return;
        }
        if looks <= polls {
            self.state = State::Running;
            let share = self.lines.len() as u64 * u64::from(looks) / (u64::from(polls) + 1);
            self.run(usize::try_from(share).unwrap_or(usize::MAX), ledger);
            return;
        }
        let half = self.lines.len() / 2;
        match self.behaviour.batch_fail {
            None => {
                self.run(self.lines.len(), ledger);
                self.end(State::Completed);
            }
            Some(Ending::Failed) => self.end(State::Failed),
            Some(Ending::Expired) => {
                self.run(half, ledger);
                self.end(State::Expired);
            }
            Some(Ending::Cancelled) => {
                self.run(half, ledger);
                self.cancelling = Some(now());
                self.end(State::Cancelled);
            }
        }
    }

    /// Runs those of the first `count` lines that have not been run. A batch that is to fail as a whole runs none.
    fn run(&mut self, count: usize, ledger: &mut Ledger) {
        if self.behaviour.batch_fail == Some(Ending::Failed) {
            return;
        }
        for line in self.lines.iter_mut().take(count).filter(|line| line.outcome.is_none()) {
            line.run(&self.behaviour);
            ledger.ran(&line.name);
        }
    }

    fn end(&mut self, state: State) {
        self.state = state;
        self.ended = Some(now());
        let left = match state {
            State::Cancelled => Outcome::Cancelled,
            State::Expired => Outcome::Expired,
            _ => return,
        };
        for line in self.lines.iter_mut().filter(|line| line.outcome.is_none()) {
            line.outcome = Some(left.clone());
        }
    }
}
