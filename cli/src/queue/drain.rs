//! Drains a queue: once, or as long as the process lives.
//!
//! Two runs go on at once: one of jobs that someone waits for, and one of all others, the most urgent first. What goes
//! wrong with one job is its own: it is tried again later, and in the end it is a dead letter; others go on.

mod settle;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use quire_coordinator::Ground;
use quire_proto::Lane;
use quire_queue::{Claims, Job, Pick, Scan, Waiting, pick, unix_now};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    batch::{Batch, Ended, Parted, Slot, parted},
    hold::{Held, Pause, Size},
    teller::{Teller, jobs},
};
use crate::{
    embedded::{CatalogueFolder, Embedded},
    output::counted,
};

/// Between two looks at the folder.
const LOOK: Duration = Duration::from_millis(100);
/// Between two looks for jobs whose claimer is gone.
const RECOVER: Duration = Duration::from_secs(5);
/// Jobs that someone waits for go together, so many at most: none shall wait for many others.
const CRITICAL_TOGETHER: usize = 32;
/// Most jobs of a run of everything.
const MAX_TOGETHER: usize = 100_000;
/// So many jobs make a run of everything where there is no manifest yet: each batch would make again what the ones before
/// it made, as links between pages come with what they lead to.
const MANY: usize = 2_000;
/// A job is dead after its process has ended so often over it; the last times it was alone.
const MAX_CRASHES: u32 = 6;
/// One run in so many takes the least urgent jobs first, so that these come to an end, too.
const TURN_OF_THE_LAST: u32 = 16;

/// How a queue is drained.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// So many jobs and no more.
    pub(crate) limit: Option<usize>,
    /// Wait for more when there is nothing left.
    pub(crate) watch: bool,
    /// So many jobs go together.
    pub(crate) together: usize,
    /// A job is dead after so many attempts.
    pub(crate) attempts: u32,
    /// Claims of unknown origin are given back after so long.
    pub(crate) orphan_after: Duration,
}

/// A queue that is being drained.
pub(crate) struct Drain {
    embedded: Arc<Embedded>,
    folder: Arc<CatalogueFolder>,
    claims: Claims,
    scan: Scan,
    options: Options,
    cancelled: CancellationToken,
    running: JoinSet<Ended>,
    busy: Vec<(Slot, usize)>,
    ground: Ground,
    size: Size,
    pause: Pause,
    /// Until what could not be moved to the dead letters is tried again.
    odd_pause: Pause,
    /// Why something could not.
    unburied: Option<anyhow::Error>,
    held: Held,
    begun: usize,
    turns: u32,
    recovered: Option<Instant>,
    /// Claims of unknown origin that are not old enough to be given back.
    pub(crate) young: u64,
    /// Why the last run that failed as a whole did, if none went well since.
    pub(crate) trouble: Option<anyhow::Error>,
    pub(crate) teller: Teller,
}

/// Jobs that shall go together.
struct Chosen {
    slot: Slot,
    /// As urgent as the most urgent of them.
    lane: Lane,
    names: Vec<String>,
    /// So many of them, the first, are critical.
    critical: usize,
    /// Look at everything, too.
    everything: bool,
}

impl Drain {
    /// Begins nothing yet.
    pub(crate) fn new(
        embedded: Arc<Embedded>,
        folder: CatalogueFolder,
        claims: Claims,
        options: Options,
        cancelled: CancellationToken,
    ) -> Self {
        let scan = Scan::new(claims.folder());
        Self {
            embedded,
            folder: Arc::new(folder),
            claims,
            scan,
            options,
            cancelled,
            running: JoinSet::new(),
            busy: Vec::new(),
            ground: Ground::Nothing,
            size: Size::new(options.together),
            pause: Pause::default(),
            odd_pause: Pause::default(),
            unburied: None,
            held: Held::default(),
            begun: 0,
            turns: 0,
            recovered: None,
            young: 0,
            trouble: None,
            teller: Teller::new(),
        }
    }

    /// Works until there is nothing left, or it is cancelled; then nothing is claimed any more.
    ///
    /// # Errors
    /// If the folder cannot be used; a watch tries again instead.
    pub(crate) async fn run(&mut self) -> anyhow::Result<()> {
        loop {
            match self.turn().await {
                Ok(true) => return self.end(),
                Ok(false) => {}
                Err(error) => self.bear(error).await?,
            }
            let (cancelled, is_cancelled) = (self.cancelled.clone(), self.cancelled.is_cancelled());
            let joined = tokio::select! {
                Some(ended) = self.running.join_next() => self.joined(ended),
                () = tokio::time::sleep(LOOK) => Ok(()),
                () = cancelled.cancelled(), if !is_cancelled => Ok(()),
            };
            if let Err(error) = joined {
                self.bear(error).await?;
            }
        }
    }

    /// The folder could not be used: a watch tries again after a pause, for all else it is the end.
    async fn bear(&mut self, error: anyhow::Error) -> anyhow::Result<()> {
        if self.options.watch && !self.cancelled.is_cancelled() {
            let pause = self.pause.begin().as_secs();
            eprintln!("queue: {error:#}; trying again in {pause} s");
            return Ok(());
        }
        self.settle_all().await;
        Err(error)
    }

    /// One look and what follows from it; whether this is the end.
    async fn turn(&mut self) -> anyhow::Result<bool> {
        let stops = self.cancelled.is_cancelled();
        if !stops && !self.pause.is_on() {
            self.recover()?;
            self.scan.look()?;
            if let Some(pause) = self.bury_odd() {
                self.tell_unburied(pause);
            }
            self.start().await?;
        } else if !stops && !self.options.watch {
            // What was given back waits, too: it is not over before that is done.
            self.scan.look()?;
        }
        if !self.running.is_empty() {
            self.teller.progress(self.left());
            return Ok(false);
        }
        Ok(stops || !self.options.watch && self.is_over())
    }

    /// What is still no job, and in the way, is an error of a command that was to leave nothing.
    fn end(&mut self) -> anyhow::Result<()> {
        if self.options.watch || self.cancelled.is_cancelled() || self.unburied.is_none() {
            return Ok(());
        }
        // Somebody may have seen to it meanwhile.
        self.odd_pause.end();
        self.scan.again();
        self.scan.look()?;
        self.bury_odd();
        self.unburied.take().map_or(Ok(()), Err)
    }

    fn is_over(&self) -> bool {
        let limited = self.options.limit.is_some();
        let is_full = self.options.limit.is_some_and(|limit| self.begun >= limit);
        let no_odd = limited || self.unburied.is_some() || self.scan.odd().is_empty();
        let is_empty = self.left() == 0 && no_odd;
        // What is held, or failed as a whole, is for whoever runs the command to look at.
        is_full || is_empty || self.trouble.is_some() && self.pause.is_on() || self.is_stuck()
    }

    /// Whether all that is left waits for sources that are away.
    fn is_stuck(&self) -> bool {
        let left = self.left();
        left > 0 && self.waiting().filter(|job| self.held.has(&job.name)).count() == left
    }

    /// Gives back what is still claimed, and sees what is left.
    pub(crate) fn leave(&mut self) {
        let left = self.claims.names().into_iter().map(|name| (name, None)).collect::<Vec<_>>();
        let ended = self.claims.give_back(&left).map_err(anyhow::Error::from);
        self.scan.again();
        if let Err(error) = ended.and_then(|()| Ok(self.scan.look()?)) {
            eprintln!("queue: {error:#}");
        }
    }

    fn asked(&self) -> Pick<'_> {
        Pick { lanes: &Lane::ALL, limit: usize::MAX, now: unix_now(), catalogue: &self.folder.name }
    }

    /// Jobs of the catalogue that wait.
    fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        let asked = self.asked();
        self.scan.waiting().filter(move |job| asked.is_ours(job))
    }

    /// How many jobs of the catalogue wait.
    pub(crate) fn left(&self) -> usize {
        self.waiting().count()
    }

    /// How many jobs wait for a source that is away.
    pub(crate) fn held(&self) -> usize {
        self.held.count()
    }

    fn recover(&mut self) -> anyhow::Result<()> {
        if self.recovered.is_some_and(|at| at.elapsed() < RECOVER) {
            return Ok(());
        }
        self.recovered = Some(Instant::now());
        let recovered = self.claims.recover(self.options.orphan_after)?;
        self.young = recovered.young;
        let (ours, orphans) = (recovered.ours.len(), recovered.orphans.len());
        self.teller.counts.recovered += (ours + orphans) as u64;
        if ours > 0 {
            eprintln!("queue: {} of processes that are gone wait again", jobs(ours as u64));
        }
        if orphans > 0 {
            let seconds = self.options.orphan_after.as_secs();
            eprintln!(
                "queue: {} of another tool, claimed more than {seconds} s ago, wait again",
                jobs(orphans as u64)
            );
        }
        if ours + orphans > 0 {
            self.scan.again();
        }
        Ok(())
    }

    /// Moves what is no job to the dead letters. What cannot be moved keeps no job from being done: the pause is until it is
    /// tried again.
    fn bury_odd(&mut self) -> Option<Duration> {
        if self.odd_pause.is_on() {
            return None;
        }
        let (mut first, mut others) = (None, 0);
        for odd in self.scan.odd().into_iter().filter(|odd| odd.settled) {
            match self.claims.folder().bury_odd(&odd.file, &odd.why) {
                Ok(true) => self.teller.died(&odd.file.to_string_lossy(), &odd.why.0),
                Ok(false) => {}
                Err(error) => {
                    let name = odd.file.to_string_lossy();
                    let error = anyhow::Error::from(error)
                        .context(format!("{name} is no job and cannot be moved to the dead letters"));
                    others += usize::from(first.is_some());
                    first.get_or_insert(error);
                }
            }
            self.scan.again();
        }
        self.unburied = first.map(|error| match others {
            0 => error,
            _ => error.context(format!("{} cannot be moved", counted(others + 1, "file"))),
        });
        if self.unburied.is_none() {
            self.odd_pause.end();
            return None;
        }
        Some(self.odd_pause.begin())
    }

    /// A command may end before the pause does, and tries once more then.
    fn tell_unburied(&self, pause: Duration) {
        let Some(error) = &self.unburied else { return };
        let again = if self.options.watch {
            format!("in {} s", pause.as_secs())
        } else {
            "before the end".to_owned()
        };
        eprintln!("queue: {error:#}; trying again {again}");
    }

    /// Begins what there is room for.
    async fn start(&mut self) -> anyhow::Result<()> {
        if self.left() == 0 {
            return Ok(());
        }
        if self.ground != Ground::Manifest {
            self.ground = self.embedded.ground(&self.folder).await?;
        }
        if self.ground == Ground::Nothing {
            return if self.busy.is_empty() { self.start_everything(&Lane::ALL) } else { Ok(()) };
        }
        if !self.is_busy(Slot::Critical) {
            self.start_one(Slot::Critical, &[Lane::Critical], CRITICAL_TOGETHER)?;
        }
        if !self.is_busy(Slot::Others) {
            if self.ground == Ground::Sources && self.left() > MANY {
                return self.start_everything(&Lane::ALL[1..]);
            }
            let mut lanes = [Lane::High, Lane::Normal, Lane::Low];
            if self.turns % TURN_OF_THE_LAST == TURN_OF_THE_LAST - 1 {
                lanes.reverse();
            }
            self.start_one(Slot::Others, &lanes, self.size.now())?;
        }
        Ok(())
    }

    fn is_busy(&self, slot: Slot) -> bool {
        self.busy.iter().any(|(busy, _)| *busy == slot)
    }

    /// The next jobs of one of these lanes.
    fn start_one(&mut self, slot: Slot, lanes: &[Lane], most: usize) -> anyhow::Result<()> {
        let names = self.next(lanes, most);
        let lane = self.scan.waiting().find(|job| names.first() == Some(&job.name)).map(|job| job.lane);
        match lane {
            Some(lane) => {
                let critical = if lane == Lane::Critical { names.len() } else { 0 };
                self.begin(Chosen { slot, lane, names, critical, everything: false })
            }
            None => Ok(()),
        }
    }

    /// All that wait in these lanes: the run that makes the first manifest looks at everything.
    fn start_everything(&mut self, lanes: &[Lane]) -> anyhow::Result<()> {
        // As urgent as the most urgent of them.
        let (mut names, mut critical, mut urgency) = (Vec::new(), 0, None);
        for &lane in lanes {
            let room = MAX_TOGETHER.min(self.room()).saturating_sub(names.len());
            names.append(&mut self.next(&[lane], room));
            urgency = urgency.or((!names.is_empty()).then_some(lane));
            if lane == Lane::Critical {
                critical = names.len();
            }
        }
        let Some(lane) = urgency else { return Ok(()) };
        self.begin(Chosen { slot: Slot::Others, lane, names, critical, everything: true })
    }

    /// How many jobs may still be begun.
    fn room(&self) -> usize {
        self.options.limit.map_or(usize::MAX, |limit| limit.saturating_sub(self.begun))
    }

    fn next(&self, lanes: &[Lane], most: usize) -> Vec<String> {
        let limit = most.min(self.room());
        let asked = Pick { lanes, limit, ..self.asked() };
        let free = || self.scan.waiting().filter(|job| !self.held.has(&job.name));
        let due = pick(free(), &asked);
        // Who asks for some jobs now shall have them now.
        let early = due.is_empty() && self.options.limit.is_some() && !free().any(|job| asked.may(job));
        if early { pick(free(), &Pick { now: u64::MAX, ..asked }) } else { due }
    }

    fn begin(&mut self, chosen: Chosen) -> anyhow::Result<()> {
        let Chosen { slot, lane, names, critical, everything } = chosen;
        let claimed = self.claims.claim(&names);
        self.scan.forget(&names);
        let claimed = claimed?;
        // What goes wrong with one job does not keep others from being done.
        let mut ended = Ok(());
        if critical > 0 && claimed.len() < names.len() {
            // Who waits for a page does not wait for the others of a batch that it is in.
            let is_claimed = |name: &&String| claimed.iter().any(|job| job.name == **name);
            let urgent = names.iter().take(critical);
            let left: Vec<String> = urgent.filter(|name| !is_claimed(name)).cloned().collect();
            ended = self.claims.set_beside(&left).map(drop).map_err(Into::into);
        }
        let Parted { mut jobs, odd } = parted(claimed);
        let mut dying: Vec<String> = odd.iter().map(|(name, _)| name.clone()).collect();
        for (name, why) in odd {
            ended = ended.and(self.bury(&name, None, &why));
        }
        let (fit, worn) = jobs.into_iter().partition(|(_, job)| job.crashes < MAX_CRASHES);
        jobs = fit;
        let worn: Vec<(String, Job)> = worn;
        dying.extend(worn.iter().map(|(name, _)| name.clone()));
        for (name, job) in worn {
            let why =
                format!("the process that did it ended {} before it was done", counted(job.crashes, "time"));
            ended = ended.and(self.bury(&name, Some(&job), &why));
        }
        if ended.is_err() {
            ended = self.give_back_rest(dying).and(ended);
        }
        if jobs.is_empty() {
            return ended;
        }
        let keys: Vec<String> = jobs.iter().map(|(_, job)| job.key.clone()).collect();
        self.teller.begun(lane, &keys, everything);
        self.begun += jobs.len();
        self.turns = self.turns.wrapping_add(u32::from(slot == Slot::Others));
        self.busy.push((slot, jobs.len()));
        let batch = Batch { slot, lane, everything, jobs };
        self.running.spawn(batch.run(
            Arc::clone(&self.embedded),
            Arc::clone(&self.folder),
            self.cancelled.clone(),
        ));
        ended
    }
}
