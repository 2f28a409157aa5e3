//! Words that do not belong in the tree: paths of one machine, hosts of package registries, marks of unfinished work.

use super::Finding;
use super::tree::{SourceFile, Tree};

/// Written in two halves, so that this file does not hold them.
const FORBIDDEN: [(&str, &str, &str); 14] = [
    ("/wo", "rk/", "a path of one machine"),
    ("/ro", "ot/", "a path of one machine"),
    ("/tmp/", "bash_jobs", "a path of one machine"),
    ("index.", "crates.io", "a registry's host: cargo knows it"),
    ("static.", "crates.io", "a registry's host: cargo knows it"),
    ("py", "pi.org", "a registry's host: pip knows it"),
    ("files.python", "hosted.org", "a registry's host: pip knows it"),
    ("registry.npm", "js.org", "a registry's host: npm knows it"),
    ("proxy.go", "lang.org", "a registry's host: go knows it"),
    ("deb.deb", "ian.org", "a registry's host: apt knows it"),
    ("TO", "DO", "unfinished work: do it, or open an issue"),
    ("FIX", "ME", "unfinished work: do it, or open an issue"),
    ("to", "do!(", "unfinished work: do it"),
    ("unimple", "mented!(", "unfinished work: do it"),
];

/// Finds them in every text but cargo's lock file, which cargo writes.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let words: Vec<(String, &str)> =
        FORBIDDEN.iter().map(|(head, tail, why)| (format!("{head}{tail}"), *why)).collect();
    tree.files.iter().filter(|file| file.path != "Cargo.lock").flat_map(|file| find_words(file, &words)).collect()
}

fn find_words(file: &SourceFile, words: &[(String, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for (word, why) in words.iter().filter(|(word, _)| stands_in(line, word)) {
            findings.push(Finding::error(file.at(number), format!("'{word}' is {why}")));
        }
    }
    findings
}

/// Whether `word` stands in `line` on its own, and not as a part of a longer word or path.
fn stands_in(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        let continues = |next: Option<char>| next.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        let letters = word.ends_with(|c: char| c.is_ascii_alphanumeric());
        !(continues(before) || (letters && continues(after)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_found_with_its_line() {
        for (head, tail, why) in FORBIDDEN {
            let text = format!("fine\nsee {head}{tail} x\n");
            let findings = check(&Tree::of(&[("docs/a.md", &text)]));
            assert_eq!(findings, [Finding::error("docs/a.md:2", format!("'{head}{tail}' is {why}"))]);
        }
    }

    #[test]
    fn parts_of_longer_words_and_the_lock_file_pass() {
        let mark = ["TO", "DO"].concat();
        let machine = ["/wo", "rk/"].concat();
        let text = format!("{mark}S and METHO{mark} and frame{machine}flow\n");
        assert_eq!(check(&Tree::of(&[("docs/a.md", &text)])), []);
        assert_eq!(check(&Tree::of(&[("Cargo.lock", &mark)])), []);
    }
}
