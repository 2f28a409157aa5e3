//! Licences, bans and sources of every package in the build, as `deny.toml` wants them.
//!
//! The file is cargo-deny's; this reads the part that needs no advisory data, so that the check always runs. It asks
//! `cargo tree`, because cargo's metadata also lists packages that no feature in use switches on.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde::Deserialize;
use spdx::{Expression, ParseMode};

use super::Finding;

/// What of `deny.toml` is checked here. Other fields are cargo-deny's own.
#[derive(Debug, Deserialize)]
pub struct Policy {
    licenses: Licences,
    bans: Bans,
}

#[derive(Debug, Deserialize)]
struct Licences {
    allow: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Debug, Deserialize)]
struct Ban {
    name: String,
    reason: String,
}

/// A package in the build.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its licence expression; empty when its manifest names none.
    pub licence: String,
    /// Where it comes from when that is a git repository.
    pub git: Option<String>,
}

/// Parses `deny.toml`.
pub fn parse(text: &str) -> anyhow::Result<Policy> {
    Ok(toml::from_str(text)?)
}

/// Asks cargo for every package that any target's build of the workspace uses.
pub fn read_packages(root: &Path) -> anyhow::Result<Vec<Package>> {
    let arguments =
        ["tree", "--workspace", "--locked", "--target=all", "--prefix=none", "--no-dedupe", "--format={p}|{l}"];
    let output = Command::new("cargo").args(arguments).current_dir(root).output().context("cargo tree does not run")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr).trim());
    let lines: BTreeSet<&str> = std::str::from_utf8(&output.stdout)?.lines().filter(|line| !line.is_empty()).collect();
    Ok(lines.into_iter().map(parse_package).collect())
}

/// Reads `name v1.0.0 (origin)|licence`.
fn parse_package(line: &str) -> Package {
    let (package, licence) = line.split_once('|').unwrap_or((line, ""));
    let mut words = package.split(' ');
    let name = words.next().unwrap_or_default().to_owned();
    let git =
        words.find_map(|word| Some(word.strip_prefix('(')?.trim_end_matches(')'))).filter(|word| word.contains("://"));
    Package { name, licence: licence.to_owned(), git: git.map(str::to_owned) }
}

/// Finds packages that the policy does not let in.
pub fn check(policy: &Policy, packages: &[Package]) -> Vec<Finding> {
    let reasons = packages.iter().filter_map(|package| Some((package, refusal(policy, package)?)));
    reasons.map(|(package, reason)| Finding::error(format!("package {}", package.name), reason)).collect()
}

fn refusal(policy: &Policy, package: &Package) -> Option<String> {
    if let Some(ban) = policy.bans.deny.iter().find(|ban| ban.name == package.name) {
        return Some(format!("banned: {}", ban.reason));
    }
    if let Some(origin) = &package.git {
        return Some(format!("comes from {origin}: only package registries are allowed"));
    }
    // Older manifests write `MIT/Apache-2.0`.
    let expression = match Expression::parse_mode(&package.licence, ParseMode::LAX) {
        Ok(expression) => expression,
        Err(error) => return Some(format!("licence '{}' does not parse: {}", package.licence, error.reason)),
    };
    let allowed = expression.evaluate(|licence| policy.licenses.allow.contains(&licence.to_string()));
    (!allowed).then(|| format!("licence '{}' is not among those that deny.toml allows", package.licence))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
        [licenses]
        allow = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "ISC"]
        [bans]
        deny = [{ name = "ring", reason = "one TLS provider" }]
        [sources]
        unknown-git = "deny"
    "#;

    fn refused(line: &str) -> Option<String> {
        let policy = parse(POLICY).unwrap();
        check(&policy, &[parse_package(line)]).pop().map(|finding| finding.message)
    }

    #[test]
    fn a_choice_needs_one_and_a_sum_needs_all() {
        assert_eq!(refused("a v1.0.0|MIT OR LGPL-2.1-or-later"), None);
        assert_eq!(refused("a v1.0.0 (proc-macro)|MIT/Apache-2.0"), None);
        assert_eq!(refused("a v1.0.0|ISC AND (Apache-2.0 OR ISC)"), None);
        assert_eq!(refused("a v1.0.0|Apache-2.0 WITH LLVM-exception"), None);
        assert!(refused("a v1.0.0|MIT AND MPL-2.0").unwrap().contains("MPL-2.0"));
        assert!(refused("a v1.0.0|GPL-3.0-only").unwrap().contains("not among"));
        assert!(refused("a v1.0.0|").unwrap().contains("does not parse"));
    }

    #[test]
    fn bans_and_git_sources_are_refused() {
        assert_eq!(refused("ring v0.17.0|ISC"), Some("banned: one TLS provider".to_owned()));
        let line = "a v1.0.0 (https://example.com/a.git?rev=1#abc)|MIT";
        assert!(refused(line).unwrap().contains("only package registries"));
        assert_eq!(refused("cli v0.1.0 (/somewhere/crates/cli)|Apache-2.0"), None);
    }
}
