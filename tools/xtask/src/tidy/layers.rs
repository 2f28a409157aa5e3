//! Layer edges: which crate may depend on which, as `layers.toml` draws it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use cargo_metadata::MetadataCommand;
use serde::Deserialize;

use super::Finding;

/// `layers.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawing {
    /// From the lowest layer to the highest.
    layer: Vec<Layer>,
    /// Edges inside a layer.
    #[serde(default)]
    within: BTreeMap<String, BTreeSet<String>>,
    /// What pure layers refuse.
    #[serde(default)]
    pure: Pure,
    /// Packages that only the crates named may depend on.
    #[serde(default)]
    heavy: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layer {
    name: String,
    // Read by people; parsed so that a misspelt field is an error.
    #[serde(rename = "holds")]
    _holds: String,
    crates: Vec<String>,
    #[serde(default)]
    pure: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pure {
    refuses: BTreeSet<String>,
}

/// A workspace member and what it depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crate {
    /// Its package name.
    pub name: String,
    /// Names of its direct dependencies: members and others, for any purpose.
    pub dependencies: BTreeSet<String>,
    /// Names of its direct dependencies that are not for tests alone.
    pub shipped: BTreeSet<String>,
}

/// Parses `layers.toml`.
pub fn parse(text: &str) -> anyhow::Result<Drawing> {
    Ok(toml::from_str(text)?)
}

/// Asks cargo for the members and their direct dependencies.
pub fn read_crates(root: &Path) -> anyhow::Result<Vec<Crate>> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cargo metadata does not run")?;
    let crates = metadata.packages.iter().map(|package| Crate {
        name: package.name.to_string(),
        dependencies: package.dependencies.iter().map(|dependency| dependency.name.clone()).collect(),
        shipped: package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind != cargo_metadata::DependencyKind::Development)
            .map(|dependency| dependency.name.clone())
            .collect(),
    });
    Ok(crates.collect())
}

/// Finds edges that the drawing does not have, and crates that it does not draw.
pub fn check(drawing: &Drawing, crates: &[Crate]) -> Vec<Finding> {
    let mut findings = undrawn(drawing, crates);
    for member in crates {
        findings.extend(member.dependencies.iter().filter_map(|other| refused_edge(drawing, &member.name, other)));
        findings.extend(member.shipped.iter().filter_map(|package| refused_package(drawing, &member.name, package)));
    }
    findings
}

/// Members without a layer, and names in a layer without a member.
fn undrawn(drawing: &Drawing, crates: &[Crate]) -> Vec<Finding> {
    let drawn: BTreeSet<&str> = drawing.layer.iter().flat_map(|layer| &layer.crates).map(String::as_str).collect();
    let found: BTreeSet<&str> = crates.iter().map(|member| member.name.as_str()).collect();
    let missing = found.difference(&drawn).map(|name| format!("crate {name} has no layer: give it one"));
    let stale = drawn.difference(&found).map(|name| format!("no crate is named {name}: remove it"));
    missing.chain(stale).map(|message| Finding::error("layers.toml", message)).collect()
}

fn refused_edge(drawing: &Drawing, from: &str, to: &str) -> Option<Finding> {
    let (from_level, from_layer) = find_layer(drawing, from)?;
    let (to_level, to_layer) = find_layer(drawing, to)?;
    let named = drawing.within.get(from).is_some_and(|edges| edges.contains(to));
    if to_level < from_level || (to_level == from_level && named) {
        return None;
    }
    let message = format!(
        "{from} ({}) may not depend on {to} ({}): layers.toml has no such edge",
        from_layer.name, to_layer.name
    );
    Some(Finding::error(format!("crate {from}"), message))
}

fn refused_package(drawing: &Drawing, from: &str, package: &str) -> Option<Finding> {
    let pure = find_layer(drawing, from).is_some_and(|(_, layer)| layer.pure);
    let message = if pure && drawing.pure.refuses.contains(package) {
        format!("{from} is pure and may not depend on {package}")
    } else {
        let homes = drawing.heavy.get(package).filter(|homes| !homes.contains(from))?;
        let homes: Vec<&str> = homes.iter().map(String::as_str).collect();
        format!("{package} is heavy and lives in {} alone, not in {from}", homes.join(", "))
    };
    Some(Finding::error(format!("crate {from}"), message))
}

fn find_layer<'a>(drawing: &'a Drawing, name: &str) -> Option<(usize, &'a Layer)> {
    drawing.layer.iter().enumerate().find(|(_, layer)| layer.crates.iter().any(|member| member == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWING: &str = r#"
        layer = [
          { name = "L0", holds = "nouns", crates = ["domain"], pure = true },
          { name = "L1", holds = "traits", crates = ["state", "cloud"] },
          { name = "L2", holds = "planes", crates = ["gateway", "control"] },
        ]
        within = { cloud = ["state"] }
        pure = { refuses = ["tokio"] }
        heavy = { rmcp = ["cloud"] }
    "#;

    fn member(name: &str, dependencies: &[&str]) -> Crate {
        let dependencies: BTreeSet<String> = dependencies.iter().map(|name| (*name).to_owned()).collect();
        Crate { name: name.to_owned(), shipped: dependencies.clone(), dependencies }
    }

    fn messages(gateway: &[&str], cloud: &[&str], domain: &[&str]) -> Vec<String> {
        let drawing = parse(DRAWING).unwrap();
        let crates = [
            member("gateway", gateway),
            member("cloud", cloud),
            member("domain", domain),
            member("state", &[]),
            member("control", &[]),
        ];
        check(&drawing, &crates).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn lower_layers_and_named_edges_pass() {
        assert_eq!(messages(&["domain", "state", "serde"], &["state", "rmcp"], &["serde"]), Vec::<String>::new());
    }

    #[test]
    fn an_edge_to_a_neighbour_or_upwards_is_refused() {
        let neighbour = "gateway (L2) may not depend on control (L2): layers.toml has no such edge";
        assert_eq!(messages(&["control"], &[], &[]), [neighbour]);
        let upwards = "domain (L0) may not depend on state (L1): layers.toml has no such edge";
        assert_eq!(messages(&[], &[], &["state"]), [upwards]);
    }

    #[test]
    fn pure_and_heavy_packages_keep_their_places() {
        assert_eq!(messages(&[], &[], &["tokio"]), ["domain is pure and may not depend on tokio"]);
        assert_eq!(messages(&["rmcp"], &[], &[]), ["rmcp is heavy and lives in cloud alone, not in gateway"]);
    }

    #[test]
    fn every_crate_is_drawn_and_every_drawn_crate_exists() {
        let drawing = parse(DRAWING).unwrap();
        let crates = ["domain", "state", "cloud", "gateway", "lodger"].map(|name| member(name, &[]));
        let messages: Vec<String> = check(&drawing, &crates).into_iter().map(|finding| finding.message).collect();
        assert_eq!(messages, ["crate lodger has no layer: give it one", "no crate is named control: remove it"]);
    }

    #[test]
    fn a_misspelt_field_is_an_error() {
        assert!(parse("layer = []\nwithn = {}").is_err());
    }
}
