//! `cargo xtask tidy`: the habits of the house that a machine can hold.
//!
//! Each rule is a pure function from the tree (or cargo's metadata) to findings, in a file of its own with its tests.
//! This file gathers the facts, applies every rule, and prints what it found. Some findings are warnings: they ask for
//! a second look and fail nothing.

mod documents;
mod layers;
mod licences;
mod manifests;
mod metrics;
mod names;
mod reasons;
mod sizes;
mod tree;
mod words;

use std::io::Write;

use anyhow::Context;

use tree::{Tree, find_root, read_tree};

/// Whether a finding fails the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth a second look.
    Warning,
    /// Not allowed.
    Error,
}

/// One breach of one rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Whether it fails the check.
    pub level: Level,
    /// Where: a path from the root, with `:line` when a line is meant.
    pub place: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Finding {
    /// A breach at `place`.
    pub fn error(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level: Level::Error, place: place.into(), message: message.into() }
    }

    /// A place for a second look.
    pub fn warning(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level: Level::Warning, place: place.into(), message: message.into() }
    }
}

/// Checks the working tree; `true` when nothing fails.
pub fn run(out: &mut impl Write) -> anyhow::Result<bool> {
    let root = find_root()?;
    let tree = read_tree(&root)?;
    let mut findings = check_files(&tree);
    let drawing = layers::parse(tree.require("layers.toml")?).context("layers.toml")?;
    let crates = layers::read_crates(&root)?;
    findings.extend(layers::check(&drawing, &crates));
    let policy = licences::parse(tree.require("deny.toml")?).context("deny.toml")?;
    findings.extend(licences::check(&policy, &licences::read_packages(&root)?));
    findings.sort();
    report(out, &findings, tree.files.len(), crates.len())
}

/// The rules that need only the text of the tree.
fn check_files(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(sizes::check(tree));
    findings.extend(names::check(tree));
    findings.extend(words::check(tree));
    findings.extend(reasons::check(tree));
    findings.extend(manifests::check(tree));
    findings.extend(documents::check(tree));
    findings.extend(metrics::check(tree));
    findings
}

fn report(out: &mut impl Write, findings: &[Finding], files: usize, crates: usize) -> anyhow::Result<bool> {
    for finding in findings {
        let level = match finding.level {
            Level::Warning => "warning",
            Level::Error => "error",
        };
        writeln!(out, "{level}: {}: {}", finding.place, finding.message)?;
    }
    let errors = findings.iter().filter(|finding| finding.level == Level::Error).count();
    let warnings = findings.len() - errors;
    writeln!(out, "tidy: {files} files, {crates} crates: {errors} errors, {warnings} warnings")?;
    Ok(errors == 0)
}
