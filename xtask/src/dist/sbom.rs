//! The list of what a release is made of (`CycloneDX` 1.5), from what cargo says it was built from.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{PACKAGE, PROGRAM};

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    #[serde(default)]
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

/// The file that cargo keeps checksums in.
#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// What the program is made of.
pub(super) struct Parts {
    /// How many parts there are.
    pub(super) count: usize,
    /// The folders with the sources of those that others wrote.
    pub(super) folders: Vec<PathBuf>,
}

/// Writes the list.
pub(super) fn write(root: &Path, file: &Path) -> anyhow::Result<Parts> {
    let lock: Lock = toml::from_str(&fs::read_to_string(root.join("Cargo.lock"))?)
        .context("reading Cargo.lock")?;
    let metadata = metadata(root)?;
    let (list, count) = list(&metadata, &lock)?;
    fs::write(file, serde_json::to_string_pretty(&list)?)?;
    let others = metadata
        .packages
        .iter()
        .filter(|package| package.source.is_some());
    let folders = others.filter_map(|package| Some(package.manifest_path.parent()?.to_owned()));
    Ok(Parts {
        count,
        folders: folders.collect(),
    })
}

fn metadata(root: &Path) -> anyhow::Result<Metadata> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
            &target,
        ])
        .current_dir(root)
        .output()
        .context("running cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("reading cargo metadata")
}

fn list(metadata: &Metadata, lock: &Lock) -> anyhow::Result<(Value, usize)> {
    let packages: BTreeMap<&str, &Package> = metadata
        .packages
        .iter()
        .map(|package| (package.id.as_str(), package))
        .collect();
    let nodes: BTreeMap<&str, &Node> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), node))
        .collect();
    let program = metadata
        .packages
        .iter()
        .find(|package| package.name == PACKAGE)
        .context("the program's package")?;
    let mut reached = BTreeSet::from([program.id.as_str()]);
    let mut next = vec![program.id.as_str()];
    let mut edges = Vec::new();
    while let Some(id) = next.pop() {
        // What tests and build scripts need isn't in the program.
        let needed = nodes.get(id).map_or(&[][..], |node| &node.deps);
        let needed: Vec<&str> = needed
            .iter()
            .filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none()))
            .map(|dependency| dependency.pkg.as_str())
            .collect();
        next.extend(needed.iter().copied().filter(|id| reached.insert(id)));
        edges.push((id, needed));
    }
    let reference = |id: &str| {
        packages
            .get(id)
            .map_or_else(String::new, |package| purl(package))
    };
    let mut components = Vec::new();
    for id in &reached {
        let package = packages
            .get(id)
            .context("a package that cargo doesn't describe")?;
        if *id == program.id {
            continue;
        }
        let checksum = lock
            .package
            .iter()
            .find(|locked| locked.name == package.name && locked.version == package.version)
            .and_then(|locked| locked.checksum.as_deref());
        let mut component = json!({
            "type": "library", "bom-ref": purl(package), "name": package.name, "version": package.version, "purl": purl(package),
        });
        if let (Some(license), Some(fields)) = (&package.license, component.as_object_mut()) {
            fields.insert(
                "licenses".to_owned(),
                json!([{ "expression": license.replace('/', " OR ") }]),
            );
        }
        if let (Some(checksum), Some(fields)) = (checksum, component.as_object_mut()) {
            fields.insert(
                "hashes".to_owned(),
                json!([{ "alg": "SHA-256", "content": checksum }]),
            );
        }
        components.push(component);
    }
    edges.sort_unstable();
    let dependencies: Vec<Value> = edges
        .iter()
        .map(|(id, needed)| {
            let needed: BTreeSet<String> = needed.iter().map(|id| reference(id)).collect();
            json!({ "ref": reference(id), "dependsOn": needed })
        })
        .collect();
    let count = components.len();
    let list = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": { "component": { "type": "application", "bom-ref": purl(program), "name": PROGRAM, "version": program.version, "purl": purl(program) } },
        "components": components, "dependencies": dependencies,
    });
    Ok((list, count))
}

fn purl(package: &Package) -> String {
    let own = if package.source.is_none() {
        "?vcs_url=workspace"
    } else {
        ""
    };
    format!("pkg:cargo/{}@{}{own}", package.name, package.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_tests_need_is_not_listed() {
        let metadata: Metadata = serde_json::from_value(json!({
            "packages": [
                { "id": "c", "name": PACKAGE, "version": "1.0.0", "license": null, "source": null },
                { "id": "a", "name": "used", "version": "2.0.0", "license": "MIT/Apache-2.0", "source": "registry" },
                { "id": "b", "name": "tested-with", "version": "3.0.0", "license": "MIT", "source": "registry" },
            ],
            "resolve": { "nodes": [
                { "id": "c", "deps": [
                    { "pkg": "a", "dep_kinds": [{ "kind": null }] },
                    { "pkg": "b", "dep_kinds": [{ "kind": "dev" }] },
                ] },
                { "id": "a", "deps": [] }, { "id": "b", "deps": [] },
            ] },
        }))
        .unwrap();
        let lock: Lock = toml::from_str(
            "[[package]]\nname = \"used\"\nversion = \"2.0.0\"\nchecksum = \"ab\"\n",
        )
        .unwrap();
        let (list, count) = list(&metadata, &lock).unwrap();
        assert_eq!(count, 1);
        assert_eq!(list["components"][0]["hashes"][0]["content"], "ab");
        assert_eq!(
            list["components"][0]["licenses"][0]["expression"],
            "MIT OR Apache-2.0"
        );
        assert_eq!(
            list["dependencies"][1]["dependsOn"][0],
            "pkg:cargo/used@2.0.0"
        );
    }
}
