//! Documents tell the truth: what they name exists, and what exists is on the map.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::{SourceFile, Tree};

const MAP: &str = "ARCHITECTURE.md";

/// Checks the map against the tree, and the links and paths of every document.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = missing_from_map(tree);
    for file in tree.files.iter().filter(|file| file.has_extension("md")) {
        findings.extend(dead_paths(tree, file));
        findings.extend(dead_links(tree, file));
    }
    findings
}

/// Crates and decisions that ARCHITECTURE.md does not name.
fn missing_from_map(tree: &Tree) -> Vec<Finding> {
    let Some(map) = tree.text(MAP) else {
        return vec![Finding::error(MAP, "the map of the house is missing")];
    };
    let crates = tree.files.iter().filter_map(|file| file.path.strip_suffix("/Cargo.toml"));
    let decisions = tree.files.iter().map(|file| file.path.as_str()).filter(|path| is_decision(path));
    let things: BTreeSet<&str> = crates.chain(decisions).collect();
    let absent = things.into_iter().filter(|thing| !map.contains(thing));
    absent.map(|thing| Finding::error(MAP, format!("{thing} is not on the map: name it"))).collect()
}

fn is_decision(path: &str) -> bool {
    path.strip_prefix("docs/decisions/").is_some_and(|name| name.starts_with(|c: char| c.is_ascii_digit()))
}

/// Paths between backticks that begin at a folder of the root, or are a file of the root, and do not exist.
fn dead_paths(tree: &Tree, file: &SourceFile) -> Vec<Finding> {
    let roots: BTreeSet<&str> = tree.files.iter().filter_map(|file| Some(file.path.split_once('/')?.0)).collect();
    let mut findings = Vec::new();
    for (number, line) in prose(file) {
        let spans = line.split('`').skip(1).step_by(2);
        for path in spans.filter(|span| is_path(span) && roots.contains(span.split('/').next().unwrap_or_default())) {
            if !tree.holds(path) {
                findings.push(Finding::error(file.at(number), format!("`{path}` does not exist")));
            }
        }
    }
    findings
}

/// A path from the root has a folder, and no blank or pattern.
fn is_path(span: &str) -> bool {
    span.contains('/') && span.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
}

/// Relative links that lead nowhere.
fn dead_links(tree: &Tree, file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in prose(file) {
        for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            if !tree.holds(&resolve(folder, target)) {
                findings.push(Finding::error(file.at(number), format!("the link to {target} leads nowhere")));
            }
        }
    }
    findings
}

/// Joins a folder and a relative path, following `..`.
fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// Lines outside code blocks.
fn prose(file: &SourceFile) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    file.lines().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(map: &str, more: &[(&str, &str)]) -> Vec<String> {
        let mut files = vec![(MAP, map), ("crates/state/Cargo.toml", ""), ("docs/decisions/0001-one.md", "")];
        files.extend(more);
        check(&Tree::of(&files)).into_iter().map(|finding| format!("{}: {}", finding.place, finding.message)).collect()
    }

    const WHOLE: &str = "`crates/state` and [one](docs/decisions/0001-one.md)\n";

    #[test]
    fn a_true_map_passes() {
        assert_eq!(
            messages(WHOLE, &[("docs/a.md", "[up](../ARCHITECTURE.md#top) `text/plain` <b> [w](https://a.b)")]),
            [""; 0]
        );
    }

    #[test]
    fn crates_and_decisions_must_be_on_the_map() {
        let found = messages("nothing\n", &[]);
        assert_eq!(
            found,
            [
                "ARCHITECTURE.md: crates/state is not on the map: name it",
                "ARCHITECTURE.md: docs/decisions/0001-one.md is not on the map: name it"
            ]
        );
        assert_eq!(check(&Tree::of(&[]))[0].message, "the map of the house is missing");
    }

    #[test]
    fn paths_and_links_must_lead_somewhere() {
        let map = format!("{WHOLE}see `crates/attic/src/lib.rs`\n");
        assert_eq!(messages(&map, &[]), ["ARCHITECTURE.md:2: `crates/attic/src/lib.rs` does not exist"]);
        let found = messages(WHOLE, &[("docs/a.md", "\n[x](b.md)\n")]);
        assert_eq!(found, ["docs/a.md:2: the link to b.md leads nowhere"]);
    }

    #[test]
    fn code_blocks_are_not_prose() {
        let map = format!("{WHOLE}```\n`crates/attic` [x](y)\n```\n");
        assert_eq!(messages(&map, &[]), [""; 0]);
    }
}
