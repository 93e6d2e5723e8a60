//! The manifests: that kustomize makes them, that Kubernetes would take them, and that the broker takes its settings.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail, ensure};

use super::{scratch, text};
use crate::{
    command::{self, output, root},
    tools,
};

/// Kubernetes versions whose schemas must take the manifests: the oldest that we support, and the newest.
const KUBERNETES: [&str; 2] = ["1.31", "1.37"];

/// What every pod says. A patch whose target is misspelt changes nothing, and no one tells.
const OF_PODS: [&str; 8] = [
    " automountServiceAccountToken: false\n",
    " runAsNonRoot: true\n",
    " type: RuntimeDefault\n",
    " startupProbe:\n",
    " livenessProbe:\n",
    " readinessProbe:\n",
    " terminationGracePeriodSeconds: ",
    " serviceAccountName: quire\n",
];
/// What every container says.
const OF_CONTAINERS: [&str; 4] =
    [" allowPrivilegeEscalation: false\n", " - ALL\n", " readOnlyRootFilesystem: true\n", " requests:\n"];

/// Builds the base and every overlay, and holds the result against the schemas. A field that no schema knows is an error.
pub(super) fn check(kubectl: &Path) -> anyhow::Result<()> {
    let packages = tools::deploy_packages()?;
    let mut built = Vec::new();
    for folder in folders()? {
        built.push(build(kubectl, &folder)?);
    }
    let mut validate = Command::new("python3");
    validate.env("PYTHONPATH", packages).args(["-m", "kubernetes_validate", "--strict", "--quiet"]);
    for version in KUBERNETES {
        validate.args(["-k", version]);
    }
    let told = output(validate.args(&built).env("PYTHONDONTWRITEBYTECODE", "1"));
    match told.as_deref() {
        Some("") => Ok(()),
        // A kind without a schema is only told.
        Some(told) => bail!("kubernetes-validate: {told}"),
        None => command::run(&mut validate),
    }
}

/// The base, and every overlay.
fn folders() -> anyhow::Result<Vec<PathBuf>> {
    let mut folders = vec![root().join("deploy/k8s/base")];
    for entry in fs::read_dir(root().join("deploy/k8s/overlays"))? {
        folders.push(entry?.path());
    }
    folders.sort();
    Ok(folders)
}

/// What kustomize makes of a folder, as a file named like it.
fn build(kubectl: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let built = scratch()?.join(format!("{name}.yaml"));
    command::run(Command::new(kubectl).arg("kustomize").arg(folder).arg("--output").arg(&built))?;
    let manifests = fs::read_to_string(&built)?;
    ensure!(name != "base" || !manifests.contains("\n  namespace:"), "the base names a namespace");
    for manifest in manifests.split("\n---\n") {
        pods(manifest).with_context(|| format!("{name}: {}", manifest.lines().nth(1).unwrap_or_default()))?;
    }
    Ok(built)
}

/// What a Deployment or a StatefulSet says of its pods, read as the text that kustomize writes: one key a line.
fn pods(manifest: &str) -> anyhow::Result<()> {
    if !["kind: Deployment", "kind: StatefulSet"]
        .iter()
        .any(|kind| manifest.lines().any(|line| line == *kind))
    {
        return Ok(());
    }
    let object = manifest.lines().find_map(|line| line.strip_prefix("  name: ")).unwrap_or_default();
    for expected in OF_PODS {
        ensure!(manifest.contains(expected), "{object} has no {:?}", expected.trim());
    }
    // Kubernetes fills a variable in only if it stands before.
    for (at, _) in manifest.match_indices("$(") {
        let name = manifest[at + 2..].split(')').next().unwrap_or_default();
        let is_before = manifest[..at].contains(&format!("- name: {name}\n"));
        ensure!(is_before, "{object}: $({name}) is used before it is there");
    }
    let containers = manifest.matches(" image: ").count();
    for expected in OF_CONTAINERS {
        let times = manifest.matches(expected).count();
        ensure!(times >= containers, "{object}: {:?} in {times} of {containers} containers", expected.trim());
    }
    Ok(())
}

/// The pinned server takes the broker's settings, and is the one that the manifests name.
pub(super) fn check_broker() -> anyhow::Result<()> {
    let settings = root().join("deploy/k8s/base/nats.conf");
    let mut server = Command::new(tools::nats_server()?);
    command::run(server.arg("-t").arg("-c").arg(settings).env("POD_NAME", "quire-nats-0"))?;
    let requirements = text("tools/requirements-nats.txt")?;
    let tested = requirements.split_once("==").and_then(|(_, rest)| rest.split_whitespace().next());
    let tested = tested.context("tools/requirements-nats.txt names no version")?;
    let images = text("deploy/k8s/base/kustomization.yaml")?;
    ensure!(
        images.contains(&format!("newTag: {tested}\n")),
        "deploy/k8s/base/kustomization.yaml: the tests run nats {tested}, another one is deployed"
    );
    Ok(())
}
