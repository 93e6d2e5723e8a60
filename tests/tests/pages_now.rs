//! `PageService`: a page made now and published, and what a page would be.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use quire_api::page::{File, PreviewRequest, RenderRequest, page_service_client::PageServiceClient};
use system_tests::Cluster;
use tonic::{Code, transport::Channel};

type Client = PageServiceClient<Channel>;

/// A catalogue of birds whose page shows the colour.
fn birds(folder: &Path) -> PathBuf {
    let catalogue = folder.join("birds");
    fs::create_dir_all(catalogue.join("templates")).unwrap();
    fs::create_dir_all(catalogue.join("data")).unwrap();
    let yaml = "catalogue: birds\ntitle: Birds\nsources:\n  - name: all\n    \
                files: { root: \"${BIRDS_ROOT}\", include: [\"*.json\"], format: json }\n\
                record:\n  key: .id\n  title: .id\nvalidate:\n  rules:\n    - { expect: '.colour != \"none\"', message: it has a colour }\n\
                pages:\n  record: templates/record.html\n";
    fs::write(catalogue.join("catalogue.yaml"), yaml).unwrap();
    let page = "{% extends \"quire/base.html\" %}{% block main %}It is {{ record.colour }}.{% endblock %}";
    fs::write(catalogue.join("templates/record.html"), page).unwrap();
    catalogue
}

fn write(catalogue: &Path, bird: &str, colour: &str) {
    let record = format!("{{\"id\":\"{bird}\",\"colour\":\"{colour}\"}}");
    fs::write(catalogue.join(format!("data/{bird}.json")), record).unwrap();
}

fn by_path(files: Vec<File>) -> BTreeMap<String, Vec<u8>> {
    files.into_iter().map(|file| (file.path, file.content)).collect()
}

async fn client(cluster: &Cluster) -> Client {
    let address = cluster.agents("renderer").next().unwrap().address;
    PageServiceClient::connect(format!("http://{address}")).await.unwrap()
}

async fn render(client: &mut Client, key: &str) -> Result<(u64, BTreeMap<String, Vec<u8>>), Code> {
    let request = RenderRequest { catalogue: "birds".to_owned(), key: key.to_owned() };
    let answer = client.render(request).await.map_err(|status| status.code())?.into_inner();
    Ok((answer.epoch, by_path(answer.files)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_made_now_or_shown_as_it_would_be() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = birds(folder.path());
    ["crane", "egret"].iter().for_each(|bird| write(&catalogue, bird, "grey"));
    let root = catalogue.join("data");
    let cluster =
        tokio::task::block_in_place(|| Cluster::start(1, &[("BIRDS_ROOT", root.to_str().unwrap())]));
    let mut client = client(&cluster).await;
    assert_eq!(render(&mut client, "egret").await, Err(Code::NotFound));
    tokio::task::block_in_place(|| cluster.run_folder(&catalogue));

    // Only what was asked for is looked at.
    ["crane", "egret"].iter().for_each(|bird| write(&catalogue, bird, "white"));
    let (epoch, files) = render(&mut client, "egret").await.unwrap();
    assert_eq!(
        (epoch, files.keys().map(String::as_str).collect::<Vec<_>>()),
        (2, vec!["birds/egret.html", "birds/egret.json"])
    );
    for (path, content) in &files {
        assert_eq!(&fs::read(cluster.site().join(path)).unwrap(), content, "{path}");
    }
    let page = |path: &str| fs::read_to_string(cluster.site().join(path)).unwrap();
    assert!(
        page("birds/egret.html").contains("It is white.") && page("birds/crane.html").contains("It is grey.")
    );
    assert_eq!(render(&mut client, "dodo").await, Err(Code::NotFound));
    assert_eq!(render(&mut client, "").await, Err(Code::InvalidArgument));

    let manifest = fs::read(cluster.site().join("manifest.json")).unwrap();
    let ask = |body: &str, source: &str| PreviewRequest {
        catalogue: "birds".to_owned(),
        body: body.as_bytes().to_vec(),
        source: source.to_owned(),
    };
    let shown = client.preview(ask("{\"id\":\"auk\",\"colour\":\"black\"}", "")).await.unwrap().into_inner();
    assert_eq!(shown.problems, []);
    let shown = by_path(shown.files);
    assert!(String::from_utf8_lossy(&shown["birds/auk.html"]).contains("It is black."));
    let wrong =
        client.preview(ask("{\"id\":\"auk\",\"colour\":\"none\"}", "all")).await.unwrap().into_inner();
    assert!(wrong.files.is_empty() && wrong.problems.iter().all(|problem| problem.reject));
    assert_eq!(wrong.problems.len(), 1);
    let odd = client.preview(ask("{\"id\":", "all")).await.unwrap().into_inner();
    assert!(odd.problems[0].reject, "{odd:?}");
    assert_eq!(client.preview(ask("{}", "nobody")).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(fs::read(cluster.site().join("manifest.json")).unwrap(), manifest);
}
