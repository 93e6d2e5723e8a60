//! Stages that read lines like `key=a name=n ref=b look=x offer=x text=hello`; the line `bad` is a reject.

#![allow(unreachable_pub, clippy::unwrap_used, missing_docs, reason = "shared by tests")]

use std::{collections::BTreeMap, sync::Arc};

use quire_coordinator::SiteEdge as _;
use quire_proto::{
    AggregateRef, Claim, Digest, Format, IndexedRecord, Item, ItemId, Judged, ListRow, ListSource, Listed,
    Outcome, Outputs, PackSlice, PageFile, Parcel, Problem, RecordVerdict, Reference, RenderRecord,
    RenderedRecord, Severity, Share, StageName, Term, Verdict, Work, codec, is_page,
    manifest::{Chunk, Manifest},
    pack::PackBuilder,
};
use quire_runtime::{Context, Processed, Stage, StageError, Store};
use serde::Deserialize;

use super::{Shared, edge::FolderSite};

type Done = Result<Processed, StageError>;

pub struct ScriptFetcher(pub Shared);

#[derive(Deserialize)]
struct Row {
    item: ItemId,
    content: Digest,
}

/// What the base manifest knows: contents by source, location and ordinal.
fn known(store: &Store, base: Option<Digest>) -> BTreeMap<(String, String), BTreeMap<u32, Digest>> {
    let Some(base) = base else { return BTreeMap::new() };
    let manifest: Manifest = codec::decode(&store.get_blob(&base).unwrap()).unwrap();
    let chunks = manifest.entries.iter().chain(&manifest.rejects);
    let rows = chunks
        .flat_map(|chunk: &Chunk| codec::decode::<Vec<Row>>(&store.get_slice(&chunk.rows).unwrap()).unwrap());
    let mut known: BTreeMap<(String, String), BTreeMap<u32, Digest>> = BTreeMap::new();
    for Row { item, content } in rows {
        let location = (item.source.to_string(), item.location.to_string());
        known.entry(location).or_default().insert(item.ordinal, content);
    }
    known
}

fn contents(lines: &[String]) -> BTreeMap<u32, Digest> {
    (0..).zip(lines).map(|(ordinal, line)| (ordinal, Digest::of(line.as_bytes()))).collect()
}

impl ScriptFetcher {
    fn list(&self, store: &Store, list: &ListSource) -> Processed {
        let ListSource { source, base, only } = list;
        let (source, base) = (source.as_str(), *base);
        let (known, script) = (known(store, base), self.0.lock().unwrap());
        let asked = |location: &String| only.as_ref().is_none_or(|only| only.contains(location));
        let (mut unchanged, mut to_read) = (Vec::new(), Vec::new());
        let there = script.sources.get(source).into_iter().flatten();
        for (location, lines) in there.filter(|(location, _)| asked(location)) {
            if known.get(&(source.to_owned(), location.clone())) == Some(&contents(lines)) {
                unchanged.push(location.clone());
            } else {
                to_read.push(Listed { location: location.clone(), size: 1, modified_ns: 0 });
            }
        }
        let failed = script.unlisted.contains(source);
        if failed {
            (unchanged, to_read) = Default::default();
        }
        let children = to_read.chunks(script.batch).map(|locations| Work::Read {
            source: source.to_owned(),
            locations: locations.to_vec(),
            base,
        });
        let outcome = Outcome::Listed {
            source: source.to_owned(),
            unchanged,
            to_read: to_read.len() as u64,
            failure: failed.then(|| "the disk is away".to_owned()),
            notes: Vec::new(),
            queries: 0,
        };
        Processed { outcome, children: children.collect() }
    }

    fn read(&self, store: &Store, source: &str, locations: &[Listed], base: Option<Digest>) -> Processed {
        let (known, script) = (known(store, base), self.0.lock().unwrap());
        let (mut items, mut unchanged, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for Listed { location, .. } in locations {
            if script.unreadable.contains(location) {
                failed.push((location.clone(), "it cannot be read".to_owned()));
                continue;
            }
            let lines = script.sources.get(source).and_then(|files| files.get(location));
            let before = known.get(&(source.to_owned(), location.clone()));
            for (ordinal, line) in (0..).zip(lines.into_iter().flatten()) {
                let id = ItemId { source: source.into(), location: location.as_str().into(), ordinal };
                let content = Digest::of(line.as_bytes());
                if before.and_then(|before| before.get(&ordinal)) == Some(&content) {
                    unchanged.push(id);
                } else {
                    let raw = line.clone().into_bytes().into();
                    items.push(Item { id, line: ordinal + 1, format: Format::Row, content, raw });
                }
            }
        }
        let children = items.chunks(script.batch).map(|items| Work::Validate(items.to_vec())).collect();
        Processed { outcome: Outcome::Read { unchanged, rejected: Vec::new(), failed, queries: 1 }, children }
    }
}

impl Stage for ScriptFetcher {
    fn name(&self) -> StageName {
        StageName::Fetch
    }

    async fn process(&self, ctx: Context, parcel: Arc<Parcel>) -> Done {
        match &parcel.work {
            Work::List(list) => Ok(self.list(ctx.store(), list)),
            Work::Read { source, locations, base } => Ok(self.read(ctx.store(), source, locations, *base)),
            _ => Err(StageError::permanent("fetching", "not mine")),
        }
    }
}

pub struct ScriptValidator(pub Shared);

fn judge(item: &Item, bodies: &mut PackBuilder) -> (Judged, usize) {
    let text = String::from_utf8_lossy(&item.raw).into_owned();
    let position = bodies.add(text.clone().into_bytes());
    let fields: Vec<(&str, &str)> = text.split(' ').filter_map(|field| field.split_once('=')).collect();
    let all = |name: &str| {
        fields
            .iter()
            .filter(|(field, _)| *field == name)
            .map(|(_, value)| (*value).to_owned())
            .collect::<Vec<_>>()
    };
    let Some(key) = all("key").into_iter().next() else {
        let problem = Problem {
            rule: "json".into(),
            pointer: String::new(),
            line: Some(item.line),
            message: "expected a key".into(),
            holder: None,
            severity: Severity::Reject,
        };
        return (Judged::Rejected { key: None, problems: vec![problem], claims: Vec::new() }, position);
    };
    let claim = |rule: &str, value: String| Claim {
        rule: rule.into(),
        value,
        payload: None,
        pointer: format!("/{rule}"),
        line: item.line,
        severity: Severity::Reject,
    };
    let mut claims = vec![claim("key", key.clone()), claim("slug", key.clone())];
    claims.extend(all("name").into_iter().map(|name| claim("unique:name", name)));
    let references = all("ref").into_iter().map(|value| Reference {
        rule: "reference:ref".into(),
        target: "key".into(),
        value,
        must_exist: true,
        pointer: "/ref".into(),
        line: item.line,
        severity: Severity::Reject,
    });
    let term = |value, offered| Term { lookup: 0, value, offered, wanted: !offered };
    let looked = all("look").into_iter().map(|value| term(value, false));
    let terms = looked.chain(all("offer").into_iter().map(|value| term(value, true))).collect();
    let record = RecordVerdict {
        title: all("title").pop().unwrap_or_else(|| key.clone()),
        slug: key.clone(),
        key,
        digest: Digest::of(text.as_bytes()),
        body: PackSlice { pack: Digest::of(b""), offset: 0, len: 0 },
        claims,
        references: references.collect(),
        terms,
        row: ListRow::default(),
        warnings: Vec::new(),
        shares: shares(&all("give"), &all("other"), bodies),
    };
    (Judged::Record(Arc::new(record)), position)
}

/// `give=x` stands in the row, `other=x` lies in the pack.
fn shares(given: &[String], other: &[String], bodies: &mut PackBuilder) -> Vec<Share> {
    let json =
        |texts: &[String]| texts.iter().map(|text| format!("\"{text}\"")).collect::<Vec<_>>().join(",");
    let mut shares = Vec::new();
    if !given.is_empty() {
        shares.push(Share { aggregate: 0, outputs: Outputs::Here(json(given)) });
    }
    if !other.is_empty() {
        let text = json(other);
        let digest = Digest::of(text.as_bytes());
        let position = bodies.add(text.into_bytes()) as u64;
        // The offset is the position until the pack is closed.
        let from = PackSlice { pack: digest, offset: position, len: 0 };
        shares.push(Share { aggregate: 1, outputs: Outputs::Packed { digest, from } });
    }
    shares
}

impl Stage for ScriptValidator {
    fn name(&self) -> StageName {
        StageName::Validate
    }

    async fn process(&self, ctx: Context, parcel: Arc<Parcel>) -> Done {
        let Work::Validate(items) = &parcel.work else {
            return Err(StageError::permanent("judging", "not mine"));
        };
        if let Some(poison) = &self.0.lock().unwrap().unjudged
            && items.iter().any(|item| String::from_utf8_lossy(&item.raw).contains(poison))
        {
            return Err(StageError::permanent("judging", "poison"));
        }
        self.0.lock().unwrap().judged += items.len() as u64;
        let mut bodies = PackBuilder::default();
        let judged: Vec<(Judged, usize)> = items.iter().map(|item| judge(item, &mut bodies)).collect();
        let bodies = bodies.finish();
        ctx.store().put_pack(&bodies)?;
        let verdicts: Vec<Verdict> = items
            .iter()
            .zip(judged)
            .map(|(item, (mut judged, position))| {
                if let Judged::Record(record) = &mut judged {
                    let record = Arc::make_mut(record);
                    record.body = bodies.slice(position).unwrap();
                    for share in &mut record.shares {
                        if let Outputs::Packed { from, .. } = &mut share.outputs {
                            *from = bodies.slice(from.offset as usize).unwrap();
                        }
                    }
                }
                Verdict { item: item.id.clone(), content: item.content, judged }
            })
            .collect();
        let mut pack = PackBuilder::default();
        pack.add(codec::encode(&verdicts).unwrap());
        let pack = pack.finish();
        ctx.store().put_pack(&pack)?;
        Ok(Processed::leaf(Outcome::Validated {
            verdicts: pack.slice(0).unwrap(),
            bodies: bodies.slices().last(),
        }))
    }
}

pub struct ScriptIndexer;

impl Stage for ScriptIndexer {
    fn name(&self) -> StageName {
        StageName::Index
    }

    async fn process(&self, ctx: Context, parcel: Arc<Parcel>) -> Done {
        let Work::Index(records) = &parcel.work else {
            return Err(StageError::permanent("indexing", "not mine"));
        };
        let mut pack = PackBuilder::default();
        for record in records {
            let body = ctx.store().get_slice(&record.body)?.to_vec();
            if String::from_utf8_lossy(&body).contains("unindexable") {
                return Err(StageError::permanent("indexing", "no document"));
            }
            pack.add(body);
        }
        let pack = pack.finish();
        ctx.store().put_pack(&pack)?;
        let documents = records.iter().zip(pack.slices());
        let documents =
            documents.map(|(record, document)| IndexedRecord { key: record.key.clone(), document });
        Ok(Processed::leaf(Outcome::Indexed { documents: documents.collect() }))
    }
}

pub struct ScriptRenderer {
    pub script: Shared,
    pub site: Arc<FolderSite>,
}

impl ScriptRenderer {
    fn render(&self, store: &Store, catalogue: &str, records: &[RenderRecord]) -> Done {
        let mut script = self.script.lock().unwrap();
        if records.iter().any(|record| script.unrendered.contains(&record.key)) {
            return Err(StageError::permanent("rendering", "the template failed"));
        }
        let mut pack = PackBuilder::default();
        let mut used = Vec::new();
        for record in records {
            let body = store.get_slice(&record.body)?;
            let body = String::from_utf8_lossy(&body);
            let hits: Vec<&str> = record.lookups.iter().flatten().map(|hit| hit.title.as_str()).collect();
            if body.contains("unrenderable")
                || hits.contains(&"ruin")
                || body.contains("needy") && hits.is_empty()
            {
                return Err(StageError::permanent("rendering", "the template failed"));
            }
            script.rendered.push(record.key.clone());
            // `use=1` shows the second aggregate, `use=2` what is known of the figure.
            let positions = body.split(' ').filter_map(|field| field.strip_prefix("use=")?.parse().ok());
            let uses: Vec<&AggregateRef> = positions.map(|at: usize| &record.aggregates[at]).collect();
            let mut text = format!("{body} near {hits:?}");
            for aggregate in &uses {
                text += &format!(" sees {}", String::from_utf8_lossy(&store.get_slice(&aggregate.from)?));
            }
            if text.contains("ruinous") {
                return Err(StageError::permanent("rendering", "the aggregate is odd"));
            }
            used.push(uses.iter().map(|aggregate| aggregate.used).collect::<Vec<_>>());
            pack.add(text.into_bytes());
        }
        let pack = pack.finish();
        store.put_pack(&pack)?;
        let pages = records.iter().zip(pack.slices()).zip(used).map(|((record, from), used)| {
            let path = format!("{catalogue}/{}.html", record.slug);
            let digest = Digest::of(&store.get_slice(&from).unwrap());
            let files = vec![PageFile { path, digest, from }];
            RenderedRecord {
                key: record.key.clone(),
                inputs: record.inputs,
                files,
                warnings: Vec::new(),
                used,
            }
        });
        Ok(Processed::leaf(Outcome::Rendered { pages: pages.collect() }))
    }
}

impl Stage for ScriptRenderer {
    fn name(&self) -> StageName {
        StageName::Render
    }

    async fn process(&self, ctx: Context, parcel: Arc<Parcel>) -> Done {
        match &parcel.work {
            Work::Render(records) => self.render(ctx.store(), &parcel.header.catalogue.name, records),
            Work::Publish(files) => {
                let (mut pages, mut bytes) = (0, 0);
                for file in files {
                    if self.script.lock().unwrap().unpublished.contains(&file.path) {
                        return Err(StageError::permanent("publishing", "the disk is full"));
                    }
                    let content = ctx.store().get_slice(&file.from)?;
                    self.site
                        .write(&file.path, &file.digest, &content)
                        .map_err(|error| StageError::permanent("writing", error))?;
                    pages += u64::from(is_page(&file.path));
                    bytes += content.len() as u64;
                }
                Ok(Processed::leaf(Outcome::Published { pages, bytes }))
            }
            _ => Err(StageError::permanent("rendering", "not mine")),
        }
    }
}
