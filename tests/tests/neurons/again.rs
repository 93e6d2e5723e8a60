//! What a second build makes again: what shows something that changed, and nothing else.

use crate::neuron_pages::{Site, edit, replace};

/// Pages of types that were written, those of the list left out.
fn pages(site: &Site) -> (u64, u64) {
    let run = site.again();
    assert_eq!((run.records.rejected, run.records.dead), (0, 0));
    (run.records.published, run.pages)
}

#[test]
fn a_type_is_made_again_alone() {
    let site = Site::changed(|_| {});
    assert_eq!(pages(&site), (0, 0));
    // Its three pages; nothing that the list shows has changed.
    edit(site.catalogue(), "type-02.json", |it| it["transmitters"][0]["confidence"] = 0.5.into());
    assert_eq!(pages(&site), (1, 3));
    // Its page, and the list.
    edit(site.catalogue(), "type-05.json", |it| it["hemilineages"] = serde_json::json!(["VPNd9"]));
    assert_eq!(pages(&site), (1, 2));
}

#[test]
fn a_citation_makes_those_again_that_cite_it() {
    let site = Site::changed(|_| {});
    // Three pages of each of the two types that cite it, its own, and the list.
    replace(site.catalogue(), "data/citations.csv", "the first relay", "the very first relay");
    assert_eq!(pages(&site), (3, 8));
    assert!(site.page("Lumen1", "L").html.contains("very first relay"));
    // Its address is on its own page alone, to which the others lead.
    replace(site.catalogue(), "data/citations.csv", "example.org/harrow-2014", "example.org/harrow");
    assert_eq!(pages(&site), (1, 1));
    let own = site.read(&site.page("Qu'il'-ap1", "all").cited("Harrow 2014").unwrap());
    assert!(own.contains("<a href=\"https://example.org/harrow\">"), "{own}");
    // One that nobody cites: its own and the list; once somebody does, that type's too.
    let table = std::fs::read_to_string(site.catalogue().join("data/citations.csv")).unwrap();
    replace(
        site.catalogue(),
        "data/citations.csv",
        &table,
        &format!("{table}Unlisted 2002,10.1/x,Of nothing\n"),
    );
    assert_eq!(pages(&site), (1, 2));
    replace(site.catalogue(), "data/citations.csv", "Unlisted 2002", "Unlisted 2001");
    assert_eq!(pages(&site), (2, 5));
    let own = site.read(&site.page("Lumen1", "all").cited("Unlisted 2001").unwrap());
    assert!(own.contains("<a href=\"https://doi.org/10.1/x\">"), "{own}");
}

#[test]
fn a_template_makes_those_again_that_use_it() {
    let site = Site::changed(|_| {});
    replace(site.catalogue(), "templates/dataset.html", "What all types", "What all the types");
    assert_eq!(pages(&site), (1, 1));
    // Sections are of the pages whose text they change: here those of sides of types with layers.
    let layered = site.pages().iter().filter(|page| page.html.contains("id=\"layers\"")).count();
    replace(site.catalogue(), "templates/layers.html", "Mean synapse count", "The mean synapse count");
    assert_eq!(pages(&site), (5, layered as u64));
    replace(site.catalogue(), "templates/list.html", "About the data", "About these data");
    assert_eq!(pages(&site), (0, 1));
}
