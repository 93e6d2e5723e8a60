//! How a build shows that it goes on: bars with rate and time left on a terminal, plain lines elsewhere.

use std::{
    collections::BTreeMap,
    io::IsTerminal as _,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use quire_coordinator::{Event, Phase, Progress};
use quire_proto::{RunId, StageName};

use crate::output::counted;

/// Between two plain lines of one run.
const PLAIN_INTERVAL: Duration = Duration::from_secs(2);

/// Shows runs on standard error.
pub(crate) enum Reporter {
    /// Bars, one a stage and run.
    Bars(Bars),
    /// A line a phase, and one now and then.
    Lines(Mutex<BTreeMap<String, PlainRun>>),
}

impl Reporter {
    /// Bars if standard error is a terminal.
    pub(crate) fn new() -> Self {
        if std::io::stderr().is_terminal() {
            Self::Bars(Bars::default())
        } else {
            Self::Lines(Mutex::default())
        }
    }

    /// Says something beside the bars and lines.
    pub(crate) fn say(&self, line: &str) {
        match self {
            Self::Bars(bars) => bars.say(line),
            Self::Lines(_) => eprintln!("{line}"),
        }
    }
}

impl Progress for Reporter {
    fn tell(&self, run: &RunId, event: Event) {
        match self {
            Self::Bars(bars) => bars.tell(run, event),
            Self::Lines(runs) => {
                let mut runs = runs.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(line) = runs.entry(run.to_string()).or_default().tell(event) {
                    eprintln!("{run}: {line}");
                }
            }
        }
    }
}

/// One run told in lines.
#[derive(Default)]
pub(crate) struct PlainRun {
    records: BTreeMap<StageName, u64>,
    to_render: u64,
    told: Option<Instant>,
}

impl PlainRun {
    fn tell(&mut self, event: Event) -> Option<String> {
        match event {
            Event::Entered(phase) => Some(phase_words(phase).to_owned()),
            Event::PlannedAgain => Some("nothing came for a while, planning again".to_owned()),
            Event::ToRender(records) => {
                self.to_render = records;
                None
            }
            Event::Settled { stage, records, .. } => {
                *self.records.entry(stage).or_default() += records;
                let due = self.told.get_or_insert_with(Instant::now).elapsed() >= PLAIN_INTERVAL;
                due.then(|| {
                    self.told = Some(Instant::now());
                    // The render stage publishes files too, so that it settles more than there are records.
                    let counts = self.records.iter().map(|(stage, records)| match (stage, self.to_render) {
                        (StageName::Render, total) if total >= *records => {
                            format!("{stage} {records} of {total}")
                        }
                        (StageName::Render, total) => {
                            format!("{stage} {total}, publish {}", counted(records - total, "file"))
                        }
                        _ => format!("{stage} {records}"),
                    });
                    counts.collect::<Vec<_>>().join(", ")
                })
            }
        }
    }
}

/// Bars on a terminal.
#[derive(Default)]
pub(crate) struct Bars {
    screen: MultiProgress,
    bars: Mutex<BTreeMap<(RunId, StageName), (ProgressBar, u64)>>,
}

impl Bars {
    fn tell(&self, run: &RunId, event: Event) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Settled { stage, records, settled, announced } => {
                let (bar, seen) =
                    bars.entry((run.clone(), stage)).or_insert_with(|| (self.bar(run, stage), 0));
                *seen += records;
                bar.set_length(announced);
                bar.set_position(settled);
                bar.set_message(counted(*seen, "record"));
            }
            // A run that fails is never done: the next one of its catalogue clears it away.
            Event::Entered(phase) => bars.retain(|(of, _), (bar, _)| {
                let is_over =
                    if of == run { phase == Phase::Done } else { of.catalogue() == run.catalogue() };
                if is_over {
                    bar.finish_and_clear();
                }
                !is_over
            }),
            Event::PlannedAgain => self.say(&format!("{run}: nothing came for a while, planning again")),
            Event::ToRender(_) => {}
        }
    }

    fn say(&self, line: &str) {
        // A line that cannot be printed is no reason to stop the run.
        let _ = self.screen.println(line);
    }

    fn bar(&self, run: &RunId, stage: StageName) -> ProgressBar {
        let bar = self.screen.add(ProgressBar::new(0));
        let template = "{prefix:28} {bar:24} {pos:>5}/{len:<5} parcels  {per_sec:>12}  {eta:>4} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(format!("{run} {stage}"));
        bar
    }
}

const fn phase_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Wait => "waiting for its turn",
        Phase::Gather => "listing, reading and validating",
        Phase::Decide => "deciding who holds which claim",
        Phase::Make => "indexing and rendering",
        Phase::Commit => "making lists and committing",
        Phase::Publish => "publishing",
        Phase::Done => "done",
    }
}
