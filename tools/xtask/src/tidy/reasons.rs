//! Exceptions carry their reason: every `allow` or `expect` of a lint says why, and every file says what it is.

use super::Finding;
use super::tree::{SourceFile, Tree};

/// Looks at every Rust file.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let sources = tree.files.iter().filter(|file| file.has_extension("rs"));
    sources.flat_map(|file| without_header(file).into_iter().chain(without_reason(file))).collect()
}

fn without_header(file: &SourceFile) -> Option<Finding> {
    let starts = file.text.starts_with("//!");
    (!starts).then(|| Finding::error(&file.path, "the file does not open with `//!` and what it is"))
}

/// A reason is `reason = "…"` inside the attribute, or a comment on its line or on the line before.
fn without_reason(file: &SourceFile) -> Vec<Finding> {
    let lines: Vec<&str> = file.text.lines().collect();
    let mut findings = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let attribute = line.trim_start();
        let exception =
            ["#[allow(", "#![allow(", "#[expect(", "#![expect("].iter().any(|start| attribute.starts_with(start));
        if !exception {
            continue;
        }
        let commented_before = index > 0 && lines[index - 1].trim_start().starts_with("//");
        let end = lines[index..].iter().position(|line| line.ends_with(']')).unwrap_or(0);
        let reasoned =
            lines[index..=index + end].iter().any(|line| line.contains("reason = \"") || line.contains("//"));
        if !(commented_before || reasoned) {
            findings.push(Finding::error(file.at(index + 1), "a lint is switched off without a reason: say why"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<String> {
        check(&Tree::of(&[("a.rs", text)])).into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn an_exception_without_a_reason_is_found() {
        assert_eq!(places("//! A.\nuse x;\n#[allow(dead_code)]\nfn a() {}\n"), ["a.rs:3"]);
        assert_eq!(places("//! A.\n\n#![expect(clippy::x)]\n"), ["a.rs:3"]);
    }

    #[test]
    fn a_reason_or_a_comment_will_do() {
        assert!(places("//! A.\n#[allow(x, reason = \"the wire says so\")]\n").is_empty());
        assert!(places("//! A.\nuse a;\n// The wire says so.\n#[allow(x)]\n").is_empty());
        assert!(places("//! A.\nuse a;\n#[allow(x)] // the wire says so\n").is_empty());
        assert!(places("//! A.\nuse a;\n#[allow(\n    x,\n    reason = \"so\"\n)]\n").is_empty());
    }

    #[test]
    fn a_file_says_what_it_is() {
        assert_eq!(places("use x;\n"), ["a.rs"]);
    }
}
