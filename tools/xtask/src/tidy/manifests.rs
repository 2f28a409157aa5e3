//! Manifests: versions and features live in `[workspace.dependencies]` alone, and every crate takes the house's lints.

use super::Finding;
use super::tree::{SourceFile, Tree};

const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Looks at every member's manifest.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let manifests = tree.files.iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    manifests.flat_map(check_manifest).collect()
}

fn check_manifest(file: &SourceFile) -> Vec<Finding> {
    let manifest: toml::Table = match toml::from_str(&file.text) {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::error(&file.path, error.to_string())],
    };
    let mut findings = own_versions(file, &manifest);
    let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten();
    for (_, target) in targets {
        findings.extend(target.as_table().into_iter().flat_map(|table| own_versions(file, table)));
    }
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
    if lints != Some(true) {
        findings.push(Finding::error(&file.path, "the crate does not take the workspace's lints"));
    }
    findings
}

fn own_versions(file: &SourceFile, manifest: &toml::Table) -> Vec<Finding> {
    let tables = TABLES.iter().filter_map(|name| manifest.get(*name)?.as_table());
    let own = tables.flatten().filter(|(_, value)| value.get("workspace").and_then(toml::Value::as_bool) != Some(true));
    own.map(|(name, _)| {
        Finding::error(
            &file.path,
            format!("{name}: versions live in [workspace.dependencies]; write {name}.workspace = true"),
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        let tree =
            Tree::of(&[("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\n"), ("crates/a/Cargo.toml", text)]);
        check(&tree).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_version_of_its_own_is_found_in_every_table() {
        let text = "lints.workspace = true\n[dependencies]\nserde = \"1\"\n[dev-dependencies]\nrand = { version = \"1\" }\n\
                    [target.'cfg(unix)'.dependencies]\nnix = \"1\"\n";
        let found = messages(text);
        assert_eq!(found.len(), 3);
        assert!(found[0].starts_with("serde:") && found[1].starts_with("rand:") && found[2].starts_with("nix:"));
    }

    #[test]
    fn inherited_dependencies_pass_and_lints_are_wanted() {
        let text = "[dependencies]\nserde.workspace = true\nrand = { workspace = true, optional = true }\n";
        assert_eq!(messages(text), ["the crate does not take the workspace's lints"]);
    }
}
