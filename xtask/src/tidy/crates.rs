//! The direction of dependencies: which crate may know which, and what none of them may bring along.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::Finding;

/// Which crates of ours each crate may depend on. A crate that isn't here has to be added with its reason to exist.
const MAY_KNOW: [(&str, &[&str]); 14] = [
    ("model", &[]),
    ("soql", &["model"]),
    ("protocol", &["model"]),
    ("store", &["model"]),
    ("vault", &[]),
    ("guard", &[]),
    ("fscrypt", &[]),
    ("ui", &["model", "store"]),
    (
        "server",
        &[
            "model", "protocol", "soql", "store", "ui", "vault", "fscrypt",
        ],
    ),
    (
        "client",
        &["model", "protocol", "store", "ui", "vault", "guard"],
    ),
    ("app", &["model", "store", "ui", "client", "guard"]),
    (
        "testkit",
        &["model", "store", "protocol", "vault", "server", "client"],
    ),
    ("simulation", &["model", "protocol", "client"]),
    ("xtask", &[]),
];

/// What must not come along with a crate, however indirectly, and why.
const MUST_NOT_BRING: [(&str, &[&str], &str); 6] = [
    (
        "model",
        &["tokio", "async-std", "futures-util", "hyper", "axum"],
        "it has no async dependency",
    ),
    (
        "model",
        &["tokio-postgres", "postgres-types", "rusqlite", "sea-query"],
        "it has no SQL",
    ),
    ("model", &["askama"], "it has no HTML"),
    (
        "store",
        &["tokio-postgres", "rusqlite"],
        "it compiles queries and runs none",
    ),
    (
        "ui",
        &[
            "tokio-postgres",
            "postgres-types",
            "deadpool-postgres",
            "rusqlite",
        ],
        "it knows no database",
    ),
    (
        "server",
        &["rusqlite", "tauri"],
        "its database is PostgreSQL, and its window a browser",
    ),
];

/// Asks cargo for the dependencies as they are, and checks them.
pub(super) fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()
        .context("running cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("reading cargo metadata")?;
    Ok(judge(&Graph::new(&metadata)))
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
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
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

/// Who depends on whom for anything but tests and build scripts.
#[derive(Default)]
struct Graph {
    ours: BTreeSet<String>,
    dependencies: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn new(metadata: &Metadata) -> Self {
        let names = metadata
            .packages
            .iter()
            .map(|package| (package.id.as_str(), package.name.as_str()))
            .collect::<BTreeMap<_, _>>();
        let name = |id: &str| names.get(id).copied().unwrap_or(id).to_owned();
        let mut graph = Self {
            ours: metadata
                .workspace_members
                .iter()
                .map(|id| name(id))
                .collect(),
            ..Self::default()
        };
        for node in &metadata.resolve.nodes {
            let normal = node
                .deps
                .iter()
                .filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none()));
            let known = graph.dependencies.entry(name(&node.id)).or_default();
            known.extend(normal.map(|dependency| name(&dependency.pkg)));
        }
        graph
    }

    fn of(&self, name: &str) -> impl Iterator<Item = &str> {
        self.dependencies
            .get(name)
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// Everything that comes along with a crate.
    fn all_of<'a>(&'a self, name: &'a str) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        let mut next = vec![name];
        while let Some(name) = next.pop() {
            next.extend(self.of(name).filter(|dependency| found.insert(*dependency)));
        }
        found
    }
}

fn judge(graph: &Graph) -> Vec<Finding> {
    let mut findings = Vec::new();
    for full_name in &graph.ours {
        let name = short(full_name);
        let Some((_, allowed)) = MAY_KNOW.iter().find(|(known, _)| *known == name) else {
            findings.push(Finding::new(
                full_name,
                "is not in the map of crates (xtask/src/tidy/crates.rs)",
            ));
            continue;
        };
        for dependency in graph
            .of(full_name)
            .filter(|dependency| graph.ours.contains(*dependency))
        {
            if !allowed.contains(&short(dependency)) {
                findings.push(Finding::new(
                    full_name,
                    format!("must not depend on {dependency}"),
                ));
            }
        }
        let all = graph.all_of(full_name);
        for (_, banned, reason) in MUST_NOT_BRING
            .iter()
            .filter(|(crate_name, ..)| *crate_name == name)
        {
            for banned in banned.iter().filter(|banned| all.contains(**banned)) {
                findings.push(Finding::new(
                    full_name,
                    format!("brings along {banned}, but {reason}"),
                ));
            }
        }
        if name != "app"
            && all
                .iter()
                .any(|dependency| *dependency == "tauri" || dependency.starts_with("tauri-"))
        {
            findings.push(Finding::new(full_name, "knows Tauri, which only app may"));
        }
    }
    findings
}

fn short(name: &str) -> &str {
    name.strip_prefix("fieldstone-").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(edges: &[(&str, &[&str])]) -> Vec<String> {
        let mut graph = Graph::default();
        for (name, dependencies) in edges {
            if name.starts_with("fieldstone-") {
                graph.ours.insert((*name).to_owned());
            }
            graph.dependencies.insert(
                (*name).to_owned(),
                dependencies.iter().map(|name| (*name).to_owned()).collect(),
            );
        }
        judge(&graph)
            .into_iter()
            .map(|finding| finding.to_string())
            .collect()
    }

    #[test]
    fn the_direction_as_designed_is_fine() {
        assert!(
            found(&[
                ("fieldstone-server", &["fieldstone-ui", "tokio"]),
                ("fieldstone-ui", &["fieldstone-store"]),
                ("fieldstone-store", &["fieldstone-model"]),
                ("fieldstone-model", &["serde"])
            ])
            .is_empty()
        );
    }

    #[test]
    fn a_dependency_upwards_is_found() {
        assert_eq!(
            found(&[
                ("fieldstone-model", &["fieldstone-store"]),
                ("fieldstone-store", &[])
            ])
            .len(),
            1
        );
        assert_eq!(
            found(&[
                ("fieldstone-server", &["fieldstone-client"]),
                ("fieldstone-client", &[])
            ])
            .len(),
            1
        );
        assert_eq!(
            found(&[
                ("fieldstone-client", &["fieldstone-server"]),
                ("fieldstone-server", &[])
            ])
            .len(),
            1
        );
    }

    #[test]
    fn what_comes_along_indirectly_is_found() {
        let findings = found(&[
            ("fieldstone-model", &["innocent"]),
            ("innocent", &["tokio"]),
            ("tokio", &[]),
        ]);
        assert_eq!(
            findings,
            ["fieldstone-model: brings along tokio, but it has no async dependency"]
        );
        assert_eq!(found(&[("fieldstone-client", &["tauri-plugin"])]).len(), 1);
    }

    #[test]
    fn a_new_crate_needs_a_place_in_the_map() {
        assert_eq!(found(&[("fieldstone-surprise", &[])]).len(), 1);
    }

    #[test]
    fn dependencies_of_tests_do_not_count() {
        let metadata = r#"{
            "packages": [{"id": "a 1", "name": "fieldstone-server"}, {"id": "b 1", "name": "fieldstone-testkit"}],
            "workspace_members": ["a 1", "b 1"],
            "resolve": {"nodes": [{"id": "a 1", "deps": [{"pkg": "b 1", "dep_kinds": [{"kind": "dev"}]}]}, {"id": "b 1", "deps": [{"pkg": "a 1", "dep_kinds": [{"kind": null}]}]}]}
        }"#;
        assert!(judge(&Graph::new(&serde_json::from_str(metadata).unwrap())).is_empty());
    }
}
