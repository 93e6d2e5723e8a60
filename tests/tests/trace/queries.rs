//! Queries to the server of a source are spans of the run that asks them.

use std::{collections::BTreeSet, fs};

use opentelemetry_proto::tonic::trace::v1::{span::SpanKind, status::StatusCode};
use serde_json::json;
use system_tests::ClusterOptions;
use test_servers::{Neuprint, NeuprintOptions};

use crate::{
    orphans,
    receiver::{Traced, attributes},
};

const DEFINITION: &str = r#"catalogue: types
title: Neuron types
sources:
  - name: types
    neuprint: { server: "${NEUPRINT_SERVER}", dataset: "cns:v0.9", token: "${NEUPRINT_TOKEN}", per_second: 1000 }
record:
  key: 'if .kind == "dataset" then "dataset " + .name else .type end'
  title: '.type // .name'
pages:
  record: templates/record.html
"#;

#[test]
fn a_query_is_a_span_in_the_parcel_that_asks_and_says_how_it_ended() {
    let Some(server) = Neuprint::start(&NeuprintOptions::default()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let catalogue = folder.path().join("types");
    fs::create_dir_all(catalogue.join("templates")).unwrap();
    fs::write(catalogue.join("catalogue.yaml"), DEFINITION).unwrap();
    fs::write(catalogue.join("templates/record.html"), "{{ title }}").unwrap();
    let options = ClusterOptions::default()
        .variable("NEUPRINT_SERVER", server.url())
        .variable("NEUPRINT_TOKEN", server.token());
    let traced = Traced::start(options);
    server.fail(&json!([{ "do": "status", "status": 500, "times": 1 }]));
    let _ = traced.cluster.run_folder(&catalogue);
    let asked = server.control(&json!({}));
    let spans = traced.end();

    let orphans = orphans(&spans, &[]);
    assert!(orphans.is_empty(), "{orphans:#?}");
    let posts: Vec<_> = spans.iter().filter(|(_, span)| span.name == "POST").map(|(_, span)| span).collect();
    assert_eq!(posts.len() as u64, asked["requests"].as_u64().unwrap(), "{asked}");
    let (host, port) = server
        .url()
        .trim_start_matches("http://")
        .split_once(':')
        .map(|(h, p)| (h.to_owned(), p.to_owned()))
        .unwrap();
    let (mut statuses, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for post in posts {
        let parent = spans.iter().find(|(_, span)| span.span_id == post.parent_span_id);
        let (service, parent) = parent.unwrap_or_else(|| panic!("{post:#?}"));
        assert_eq!((service.as_str(), parent.trace_id == post.trace_id), ("quire-fetcher", true));
        assert!(parent.name.starts_with("process Q_FETCH"), "{parent:#?}");
        assert_eq!(post.kind(), SpanKind::Client);
        let told = attributes(post);
        assert_eq!(
            (told["http.request.method"].as_str(), told["server.address"].as_str()),
            ("POST", host.as_str())
        );
        assert!(told["server.port"].contains(&port), "{told:?}");
        assert_eq!(told["url.full"], format!("{}/api/custom/custom", server.url()));
        assert!(told.values().all(|value| !value.contains(server.token())), "{told:?}");
        let failed = post.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error);
        assert_eq!(failed, told.contains_key("error.type"), "{post:#?}");
        statuses.insert((told["http.response.status_code"].clone(), failed));
        kinds.insert(told["quire.query"].clone());
    }
    assert_eq!(statuses.iter().map(|(_, failed)| *failed).collect::<Vec<_>>(), [false, true], "{statuses:?}");
    assert!(kinds.len() > 2, "{kinds:?}");
}
