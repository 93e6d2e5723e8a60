//! A batch of types: asked at once, made into records one by one.
//!
//! The answers of a batch are of one time, or it is asked for again: what was made of two would be wrong in a way that
//! nobody can see. What a try has brought is kept, though: each record is of one time, and types may be of several.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use quire_proto::{Digest, DigestBuilder, Listed};
use quire_runtime::{Backoff, chain};

use super::{
    answer::{OddRow, Rows},
    ask::{AskError, Asker},
    edit::version_ns,
    listing::{size, type_at},
    query::{self, Sides},
    record::{self, Answers, Central, RecordError},
    rows::{Cells, Layers, Of, Partners},
    whole,
};

/// Times that types are asked for whose answers are of different times, or not whole.
const TIMES: u32 = 3;
/// Between them, for whoever edits to come to an end: up to 0.2 s, then 0.4 s.
const PAUSE: Backoff = Backoff { first: Duration::from_millis(200), max: Duration::from_millis(400) };

/// What became of one type of a batch.
pub(super) struct Made {
    pub(super) listed: Listed,
    pub(super) result: Result<Record, String>,
    /// Whether it has no record because an answer was not whole: another may be.
    is_part: bool,
}

/// A record, and whether it may be remembered under what was listed.
pub(super) struct Record {
    pub(super) bytes: Bytes,
    pub(super) as_listed: bool,
}

/// Types of a batch by name, and why some have no record.
struct Batch {
    listed: BTreeMap<String, Listed>,
    spoilt: BTreeMap<String, String>,
}

/// Records of the types at `locations`: two queries, and a third if some of them have columns.
///
/// # Errors
/// If there is no answer, or the dataset was edited each time while it was asked.
pub(super) async fn records(
    asker: &Asker<'_>,
    sides: Sides,
    locations: Vec<Listed>,
) -> Result<Vec<Made>, AskError> {
    let id = id_of(&locations);
    let (mut todo, mut whole, mut part) = (locations, Vec::new(), None);
    for attempt in 0..TIMES {
        if attempt > 0 {
            tokio::time::sleep(PAUSE.pause(&id, attempt)).await;
        }
        // What an earlier try brought is no worse for an edit since.
        let Some(made) = once(asker, sides, todo.clone()).await? else { continue };
        let (again, done): (Vec<Made>, Vec<Made>) = made.into_iter().partition(|made| made.is_part);
        whole.extend(done);
        todo = again.iter().map(|made| made.listed.clone()).collect();
        part = Some(again);
        if todo.is_empty() {
            break;
        }
    }
    let Some(part) = part else {
        let why = format!("the dataset was edited while it was read, {TIMES} times in a row");
        return Err(AskError::Broken(why));
    };
    whole.extend(part);
    Ok(whole)
}

/// What pauses of a batch are spread by.
fn id_of(locations: &[Listed]) -> Digest {
    let start = DigestBuilder::new("quire neuprint batch");
    locations.iter().fold(start, |digest, listed| digest.text(&listed.location)).finish()
}

/// The records as far as one try brings them; `None` if the dataset was edited meanwhile.
async fn once(
    asker: &Asker<'_>,
    sides: Sides,
    locations: Vec<Listed>,
) -> Result<Option<Vec<Made>>, AskError> {
    let named =
        locations.into_iter().filter_map(|listed| Some((type_at(&listed.location)?.to_owned(), listed)));
    let mut batch = Batch { listed: named.collect(), spoilt: BTreeMap::new() };
    let cells = asker.ask::<Cells>("cells", &query::cells(sides, &batch.names())).await?;
    let cells = batch.checked(cells, |listed, row| listed.contains_key(&row.name))?;
    let (mut batch, cells, bodies, columnar) = asker
        .compute(move || {
            let (mut bodies, mut columnar) = (BTreeMap::new(), Vec::new());
            for (name, rows) in &grouped(&cells, |row| Some(row.name.as_str())) {
                if batch.spoilt.contains_key(*name) {
                    continue;
                }
                bodies.extend(record::shown(rows).into_iter().map(|body| (body, (*name).to_owned())));
                if record::has_columns(rows) {
                    columnar.push((*name).to_owned());
                }
            }
            let found: BTreeSet<&str> = cells.iter().map(|row| row.name.as_str()).collect();
            let gone = batch.listed.keys().filter(|name| !found.contains(name.as_str()));
            for name in gone.cloned().collect::<Vec<_>>() {
                batch.spoil(&name, "it was there when the dataset was listed and is gone");
            }
            (batch, cells, bodies, columnar)
        })
        .await?;
    let names = batch.names();
    if names.is_empty() {
        return Ok(Some(batch.made(&cells, &[], &[], &BTreeMap::new(), Central::default())));
    }
    let shown: Vec<i64> = bodies.keys().copied().collect();
    let with_columns: Vec<&str> = columnar.iter().map(String::as_str).collect();
    let of_layers = query::layers(sides, &with_columns);
    let of_partners = query::partners(sides, &names, &shown);
    let layers = async {
        if with_columns.is_empty() {
            return Ok(Rows { rows: Vec::new(), odd: Vec::new() });
        }
        asker.ask::<Layers>("layers", &of_layers).await
    };
    let (partners, layers) = tokio::try_join!(asker.ask::<Partners>("partners", &of_partners), layers)?;
    let partners = batch.checked(partners, |listed, row| match &row.of {
        Of::Type(name) => listed.contains_key(name),
        Of::Body(body) => bodies.contains_key(&body.0),
    })?;
    let layers = batch.checked(layers, |listed, row| listed.contains_key(&row.name))?;
    batch.whole(&partners);
    let edited = cells.first().map(|row| &row.edited);
    if cells.iter().any(|row| Some(&row.edited) != edited) || !whole::of_one_time(edited, &partners, &layers)
    {
        tracing::info!(types = batch.listed.len(), "the dataset was edited while these were read");
        return Ok(None);
    }
    let central = Central::of(asker.dataset);
    let make = move || batch.made(&cells, &partners, &layers, &bodies, central);
    asker.compute(make).await.map(Some)
}

/// The type that a row about partners belongs to.
fn whose<'a>(row: &'a Partners, bodies: &'a BTreeMap<i64, String>) -> Option<&'a str> {
    match &row.of {
        Of::Type(name) => Some(name),
        Of::Body(body) => bodies.get(&body.0).map(String::as_str),
    }
}

fn grouped<'a, R>(rows: &'a [R], name: impl Fn(&'a R) -> Option<&'a str>) -> BTreeMap<&'a str, Vec<&'a R>> {
    let mut groups: BTreeMap<&str, Vec<&R>> = BTreeMap::new();
    for row in rows {
        if let Some(name) = name(row) {
            groups.entry(name).or_default().push(row);
        }
    }
    groups
}

impl Batch {
    /// Types that are asked for still.
    fn names(&self) -> Vec<&str> {
        let names = self.listed.keys().map(String::as_str);
        names.filter(|name| !self.spoilt.contains_key(*name)).collect()
    }

    fn spoil(&mut self, name: &str, why: impl Into<String>) {
        self.spoilt.entry(name.to_owned()).or_insert_with(|| why.into());
    }

    /// The rows of an answer to this batch. An odd row spoils its type; what belongs to no type of the batch, the answer.
    fn checked<R>(
        &mut self,
        answer: Rows<R>,
        ours: impl Fn(&BTreeMap<String, Listed>, &R) -> bool,
    ) -> Result<Vec<R>, AskError> {
        for odd in answer.odd {
            let OddRow { of, .. } = &odd;
            match of.as_ref().filter(|name| self.listed.contains_key(*name)) {
                Some(name) => self.spoil(&name.clone(), odd.to_string()),
                None => return Err(AskError::Odd(odd.to_string())),
            }
        }
        if answer.rows.iter().any(|row| !ours(&self.listed, row)) {
            return Err(AskError::Odd("neuPrint answers about what nobody asked for".to_owned()));
        }
        Ok(answer.rows)
    }

    /// Notes types whose rows leave out what the query always brings.
    fn whole(&mut self, partners: &[Partners]) {
        for row in partners {
            if let Of::Type(name) = &row.of
                && row.partners.iter().any(|row| [row.left, row.right, row.middle].contains(&None))
            {
                self.spoil(name, "a row about its partners has no numbers for one of the sides");
            }
        }
    }

    fn made(
        self,
        cells: &[Cells],
        partners: &[Partners],
        layers: &[Layers],
        bodies: &BTreeMap<i64, String>,
        central: Central,
    ) -> Vec<Made> {
        let mut cells = grouped(cells, |row| Some(row.name.as_str()));
        let mut partners = grouped(partners, |row| whose(row, bodies));
        let mut layers = grouped(layers, |row| Some(row.name.as_str()));
        let mut all = Vec::with_capacity(self.listed.len());
        for (name, listed) in self.listed {
            let key = name.as_str();
            let answers = Answers {
                cells: cells.remove(key).unwrap_or_default(),
                partners: partners.remove(key).unwrap_or_default(),
                layers: layers.remove(key).unwrap_or_default(),
            };
            let (result, is_part) = match (self.spoilt.get(&name), whole::check(&name, &answers)) {
                (Some(why), _) => (Err(why.clone()), false),
                (None, Err(why)) => (Err(why), true),
                (None, Ok(())) => (one(&name, &listed, &answers, central), false),
            };
            all.push(Made { listed, result, is_part });
        }
        all
    }
}

fn one(name: &str, listed: &Listed, answers: &Answers<'_>, central: Central) -> Result<Record, String> {
    let as_listed = as_listed(listed, &answers.cells)?;
    let bytes = record::record(name, answers, central).map_err(|error| match &error {
        RecordError::Gone => error.to_string(),
        RecordError::Regions { .. } => chain(&error),
    })?;
    Ok(Record { bytes: Bytes::from(bytes), as_listed })
}

/// Whether cells are those that were listed, as far as that can be told.
///
/// # Errors
/// If they are not though the dataset was not changed: then the answer, or the listing, is only a part.
fn as_listed(listed: &Listed, rows: &[&Cells]) -> Result<bool, String> {
    let version = rows.first().and_then(|row| version_ns(&row.edited));
    if version.map(i128::from) != Some(listed.modified_ns) {
        return Ok(false);
    }
    let texts =
        rows.iter().flat_map(|row| &row.cells).map(|cell| cell.regions.as_deref().unwrap_or_default());
    let (cells, characters) = texts.clone().fold((0, 0), |(cells, sum), text| (cells + 1, sum + text.len()));
    // Engines count characters beyond ASCII each in their own way.
    let countable = texts.into_iter().all(str::is_ascii);
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    if countable && size(cells, number(characters)) != listed.size {
        return Err(format!(
            "neuPrint brings {cells} cells of it, which is not what it listed, though the dataset was not changed"
        ));
    }
    Ok(true)
}
