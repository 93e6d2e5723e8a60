//! A server of neuron types, the catalogue that reads it, and what working on it took.

use std::{fs, path::PathBuf, process::Command, time::Instant};

use quire_proto::BuildReport;
use serde_json::{Value, json};
use system_tests::{Ended, Quire, Watched, cpu_of_children, repository, watch};
use test_servers::{Neuprint, NeuprintOptions};

/// Queries of a run, not of a type.
const OF_THE_RUN: [&str; 4] = ["edited", "types", "known", "meta"];

/// A catalogue over a server that has worked out every answer, so that its engine is not measured.
pub(crate) struct World {
    pub(crate) quire: Quire,
    server: Neuprint,
}

/// What a command took.
pub(crate) struct Took {
    ended: Ended,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_megabytes: f64,
    pub(crate) asked: Asked,
}

/// What a server was asked.
#[derive(Default, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) queries: u64,
    /// Of the answers.
    pub(crate) megabytes: f64,
}

impl World {
    /// `None`, with a line that says why, where there is no server or no data.
    pub(crate) fn of(types: u32, latency_ms: u32) -> Option<Self> {
        let Some(data) = std::env::var_os("QUIRE_NEURONS_DATA") else {
            println!("skipped: $QUIRE_NEURONS_DATA names no folder of neuron data");
            return None;
        };
        let large = Some((data.into(), types));
        let server = Neuprint::start(&NeuprintOptions { large, keeps: true, ..NeuprintOptions::default() })?;
        let world = Self { quire: Quire::new(), server };
        let records = world.build(&Quire::new()).report().runs[0].records;
        assert_eq!((records.seen, records.dead), (u64::from(types) + 1, 0), "{records:?}");
        world.server.control(&json!({ "latency_ms": latency_ms }));
        Some(world)
    }

    fn definition() -> PathBuf {
        repository().join("catalogues/neurons/neuprint.yaml")
    }

    fn variables(&self) -> [(&'static str, String); 3] {
        let server = ("NEUPRINT_SERVER", self.server.url());
        [
            server,
            ("NEUPRINT_TOKEN", self.server.token().to_owned()),
            ("NEUPRINT_DATASET", "cns:v0.9".to_owned()),
        ]
    }

    fn command(&self, quire: &Quire, arguments: &[&str]) -> Command {
        let mut command = quire.command(arguments);
        command.arg(Self::definition()).envs(self.variables());
        command
    }

    pub(crate) fn build(&self, quire: &Quire) -> Took {
        self.server.clear();
        let mut took = Took::of(self.command(quire, &["build", "--json"]));
        took.asked = self.asked(&[]);
        took
    }

    /// A queue file for every type, as that tool writes them.
    pub(crate) fn fill(&self) -> usize {
        let asked = "MATCH (n:Neuron) WHERE n.type IS NOT NULL RETURN DISTINCT n.type ORDER BY n.type";
        let (status, body) = self.server.cypher("cns:v0.9", asked);
        assert_eq!(status, 200, "{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        let names = answer["data"].as_array().unwrap();
        let folder = self.quire.folder().join(".queue");
        fs::create_dir(&folder).unwrap();
        for (number, name) in names.iter().enumerate() {
            let text = format!(
                "command: generate\nconfig_file: config.yaml\noptions:\n  image-format: svg\n  neuron-type: {}\n",
                name[0]
            );
            fs::write(folder.join(format!("{number:05}.yaml")), text).unwrap();
        }
        names.len()
    }

    /// Does all jobs.
    pub(crate) fn drain(&self) -> Took {
        self.server.clear();
        let mut took = Took::of(self.command(&self.quire, &["queue", "pop", "--all", "--json"]));
        let told: Value = serde_json::from_str(took.ended.out.lines().last().unwrap()).unwrap();
        assert_eq!((&told["waiting"], &told["dead"]), (&0.into(), &0.into()), "{told}");
        took.asked = self.asked(&[]);
        took
    }

    /// One type in a folder of its own: what was asked in all, and what for the type.
    pub(crate) fn alone(&self, name: &str) -> (Asked, Asked) {
        let quire = Quire::new();
        self.server.clear();
        for arguments in [vec!["queue", "fill", "--type", name], vec!["queue", "pop", "--all"]] {
            Took::of(self.command(&quire, &arguments));
        }
        (self.asked(&[]), self.asked(&OF_THE_RUN))
    }

    /// What was asked since it was cleared, but for some kinds.
    fn asked(&self, but: &[&str]) -> Asked {
        let counts = self.server.control(&json!({}));
        let kinds = counts["kinds"].as_object().unwrap().iter();
        kinds.filter(|(kind, _)| !but.contains(&kind.as_str())).fold(Asked::default(), |sum, (_, kind)| {
            Asked {
                queries: sum.queries + kind["count"].as_u64().unwrap(),
                megabytes: sum.megabytes + kind["bytes"].as_u64().unwrap() as f64 / 1e6,
            }
        })
    }
}

impl Took {
    /// Runs a command that must succeed.
    pub(crate) fn of(command: Command) -> Self {
        let (began, before) = (Instant::now(), cpu_of_children());
        let Watched { ended, peak_bytes } = watch(command);
        let (seconds, cpu_seconds) =
            (began.elapsed().as_secs_f64(), (cpu_of_children() - before).as_secs_f64());
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        Self { ended, seconds, cpu_seconds, peak_megabytes: peak_bytes as f64 / 1e6, asked: Asked::default() }
    }

    /// What a build reports.
    pub(crate) fn report(&self) -> BuildReport {
        self.ended.report()
    }
}
