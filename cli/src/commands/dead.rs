//! `quire dead`: what could not be processed, through the coordinator.

mod replay;

use std::collections::BTreeMap;

use anyhow::bail;
use quire_api::run::{DeadFilter, DeadLetter, DeadRecord, DropDeadRequest, GetDeadRequest, ListDeadRequest};
use serde::Serialize;

use crate::{
    ChangeDeadArgs, DeadAction, DeadArgs, DeadFilterArgs, Exit,
    commands::run::client,
    exit::wrong_usage,
    output,
    remote::{DEADLINE, LONG_DEADLINE, Servers, block_on},
};

/// Keys shown of a group.
const SHOWN_SUBJECTS: usize = 3;

/// Talks to the coordinator.
///
/// # Errors
/// If it cannot be reached or refuses.
pub fn run(args: &DeadArgs) -> anyhow::Result<Exit> {
    block_on(async {
        match &args.action {
            DeadAction::List { filter, server, json } => {
                list(&all(&mut Servers::of(server)?, &filter.asked()).await?, *json)
            }
            DeadAction::Show { number, server, json } => {
                let request = GetDeadRequest { number: *number };
                let get = async |channel| client(channel).get_dead(request).await;
                let answer = Servers::of(server)?.ask(DEADLINE, get).await?;
                show(answer.letter.unwrap_or_default(), *json)
            }
            DeadAction::Replay(args) => replay::replay(args).await?.print("replayed", args.change.json),
            DeadAction::Drop(ChangeDeadArgs { filter, dry_run, server, json }) => {
                let request = DropDeadRequest { filter: Some(filter.must_say()?), dry_run: *dry_run };
                let drop = async |channel| client(channel).drop_dead(request.clone()).await;
                let letters = Servers::of(server)?.ask(LONG_DEADLINE, drop).await?.dropped;
                Counted { letters, dry_run: *dry_run, over: true, ..Counted::default() }
                    .print("dropped", *json)
            }
        }
    })
}

impl DeadFilterArgs {
    fn asked(&self) -> DeadFilter {
        DeadFilter {
            numbers: self.numbers.clone(),
            catalogue: self.catalogue.clone().unwrap_or_default(),
            stage: self.stage.clone().unwrap_or_default(),
            error: self.error.clone().unwrap_or_default(),
        }
    }

    /// What changes something says what it is about.
    fn must_say(&self) -> anyhow::Result<DeadFilter> {
        let asked = self.asked();
        if asked == DeadFilter::default() && !self.all {
            wrong_usage!("which ones? Give numbers, --catalogue, --stage, --error, or --all");
        }
        Ok(asked)
    }
}

async fn all(servers: &mut Servers, filter: &DeadFilter) -> anyhow::Result<Vec<DeadLetter>> {
    let (mut letters, mut after) = (Vec::new(), 0);
    loop {
        let request = || ListDeadRequest { filter: Some(filter.clone()), after, limit: 1_000 };
        let answer =
            servers.ask(DEADLINE, async |channel| client(channel).list_dead(request()).await).await?;
        letters.extend(answer.letters);
        if answer.next == 0 {
            return Ok(letters);
        }
        if answer.next <= after {
            bail!("the coordinator repeats itself");
        }
        after = answer.next;
    }
}

/// By stage and error: a thousand letters of one cause are one line.
fn list(letters: &[DeadLetter], json: bool) -> anyhow::Result<Exit> {
    if json {
        let letters: Vec<Told> = letters.iter().map(Told::from).collect();
        output::json(&letters)?;
        return Ok(Exit::Done);
    }
    let mut groups: BTreeMap<(&str, String), Vec<&DeadLetter>> = BTreeMap::new();
    for letter in letters {
        groups.entry((&letter.stage, cause(letter))).or_default().push(letter);
    }
    for ((stage, error), letters) in groups {
        output::text(&format!("{} x {stage}: {error}", letters.len()))?;
        for letter in letters.iter().take(SHOWN_SUBJECTS) {
            output::text(&format!("    {}  {}  {}", letter.number, letter.run, letter.subjects.join(", ")))?;
        }
        if letters.len() > SHOWN_SUBJECTS {
            output::text(&format!("    and {} more", letters.len() - SHOWN_SUBJECTS))?;
        }
    }
    output::text(&output::counted(letters.len(), "dead letter"))?;
    Ok(Exit::Done)
}

/// The error without the name of what it is about, which is told beside it: so letters of one cause are of one group.
fn cause(letter: &DeadLetter) -> String {
    let error = letter.error.clone();
    letter.subjects.iter().fold(error, |error, subject| quire_coordinator::unnamed(&error, subject))
}

fn show(letter: DeadLetter, json: bool) -> anyhow::Result<Exit> {
    if json {
        output::json(&Told::from(&letter))?;
        return Ok(Exit::Done);
    }
    for (name, value) in [
        ("number", letter.number.to_string()),
        ("stage", letter.stage),
        ("catalogue", letter.catalogue),
        ("run", letter.run),
        ("lane", letter.lane),
        ("attempts", letter.attempts.to_string()),
        ("about", letter.subjects.join(", ")),
        ("trace", letter.trace_id),
        ("error", letter.error),
    ] {
        if !value.is_empty() {
            output::text(&format!("{name:10} {value}"))?;
        }
    }
    for record in &letter.records {
        output::text(&format!("\nrecord {}, {} bytes", record.subject, record.bytes))?;
        let is_cut = record.error.is_empty() && (record.text.len() as u64) < record.bytes;
        let more = if is_cut { "\n(and more)" } else { "" };
        output::text(&format!("{}{}{more}", record.text, record.error))?;
    }
    output::text(&format!("\nparcel\n{}", letter.payload))?;
    Ok(Exit::Done)
}

#[derive(Default, Serialize)]
struct Counted {
    letters: u64,
    skipped: u64,
    dry_run: bool,
    /// Those that try the letters' records again.
    #[serde(skip_serializing_if = "Option::is_none")]
    runs: Option<Vec<String>>,
    /// Catalogues whose letters could not be replayed, and why not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<String>,
    /// These have ended.
    #[serde(skip)]
    over: bool,
}

impl Counted {
    fn print(&self, done: &str, json: bool) -> anyhow::Result<Exit> {
        if json {
            output::json(self)?;
        } else {
            let would = if self.dry_run { " would be" } else { "" };
            output::text(&format!("{}{would} {done}", output::counted(self.letters, "letter")))?;
            for run in self.runs.iter().flatten().filter(|_| !self.over) {
                output::text(&format!(
                    "{run} tries what they are about again and publishes it: quire run watch {run}"
                ))?;
            }
            if self.skipped > 0 {
                let skipped = output::counted(self.skipped, "letter");
                let why = "without a parcel, or of a catalogue whose definition is gone";
                output::text(&format!("{skipped} {why}: to be dropped only"))?;
            }
        }
        Ok(if self.failures.is_empty() { Exit::Done } else { Exit::Failed })
    }
}

/// A letter as `--json` prints it.
#[derive(Serialize)]
struct Told {
    number: u64,
    stage: String,
    error: String,
    attempts: u32,
    catalogue: String,
    run: String,
    lane: String,
    subjects: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    trace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    payload: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    records: Vec<Record>,
}

/// A record that a letter is about.
#[derive(Serialize)]
struct Record {
    subject: String,
    /// As it stands in the source or the store, or the beginning of it.
    text: String,
    bytes: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    error: String,
}

impl From<&DeadRecord> for Record {
    fn from(DeadRecord { subject, text, bytes, error }: &DeadRecord) -> Self {
        Self { subject: subject.clone(), text: text.clone(), bytes: *bytes, error: error.clone() }
    }
}

impl From<&DeadLetter> for Told {
    fn from(letter: &DeadLetter) -> Self {
        Self {
            number: letter.number,
            stage: letter.stage.clone(),
            error: letter.error.clone(),
            attempts: letter.attempts,
            catalogue: letter.catalogue.clone(),
            run: letter.run.clone(),
            lane: letter.lane.clone(),
            subjects: letter.subjects.clone(),
            trace: letter.trace_id.clone(),
            payload: letter.payload.clone(),
            records: letter.records.iter().map(Record::from).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_one_cause_are_of_one_group() {
        let letter = |subject: &str, error: &str| DeadLetter {
            subjects: vec![subject.to_owned()],
            error: error.to_owned(),
            ..DeadLetter::default()
        };
        let [wren, heron] = ["wren", "heron"]
            .map(|bird| cause(&letter(bird, &format!("rendering {bird}: cannot render: no colour"))));
        assert_eq!((wren.as_str(), &wren), ("rendering: cannot render: no colour", &heron));
        assert_eq!(cause(&letter("a", "a cause that names nothing: b")), "a cause that names nothing: b");
    }
}
