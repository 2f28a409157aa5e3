//! Metrics: a name that a document, a dashboard or a program uses is a row of telemetry's table.

use std::collections::BTreeSet;

use super::Finding;
use super::tree::{SourceFile, Tree};

const TABLE: &str = "crates/telemetry/src/";
const PREFIXES: [&str; 3] = ["mastercontrol_", "gen_ai_", "inference_requests_"];
const READERS: [&str; 7] = ["md", "rs", "py", "json", "yml", "yaml", "toml"];

/// Compares names in use with names in the table.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let rows: BTreeSet<&str> = tree
        .files
        .iter()
        .filter(|file| file.path.starts_with(TABLE))
        .flat_map(|file| words(&file.text))
        .filter(|word| is_metric(word))
        .collect();
    let users = tree.files.iter().filter(|file| {
        !file.path.starts_with(TABLE)
            && !file.path.starts_with("tools/xtask/")
            && READERS.iter().any(|extension| file.has_extension(extension))
    });
    users.flat_map(|file| unknown_names(file, &rows)).collect()
}

fn unknown_names(file: &SourceFile, rows: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for name in words(line).filter(|word| is_metric(word) && !is_row(word, rows)) {
            let message = format!("metric {name} is not in the table of {TABLE}metric.rs");
            findings.push(Finding::error(file.at(number), message));
        }
    }
    findings
}

/// Whether `name` is a row, a series of a histogram row, or (ending in `_`) a prefix of rows.
fn is_row(name: &str, rows: &BTreeSet<&str>) -> bool {
    let series = ["_bucket", "_sum", "_count"].iter().filter_map(|suffix| name.strip_suffix(suffix));
    let prefix = name.ends_with('_') && rows.iter().any(|row| row.starts_with(name));
    prefix || rows.contains(name) || series.into_iter().any(|histogram| rows.contains(histogram))
}

fn is_metric(word: &str) -> bool {
    PREFIXES.iter().any(|prefix| word.starts_with(prefix))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(document: &str) -> Vec<String> {
        let table = r#"name: "mastercontrol_ttft_seconds", name: "inference_requests_total""#;
        let tree = Tree::of(&[("crates/telemetry/src/metric.rs", table), ("README.md", document)]);
        check(&tree).into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn rows_series_and_prefixes_are_known() {
        let document = "`inference_requests_total{model}` `mastercontrol_ttft_seconds_bucket` `mastercontrol_` x_total";
        assert!(unknown(document).is_empty());
    }

    #[test]
    fn a_name_that_the_table_lacks_is_found() {
        assert_eq!(unknown("fine\nrate(mastercontrol_lost_total[5m])\n"), ["README.md:2"]);
        assert_eq!(unknown("`mastercontrol_ttft_`"), Vec::<String>::new());
        assert_eq!(unknown("`mastercontrol_lost_`"), ["README.md:1"]);
    }
}
