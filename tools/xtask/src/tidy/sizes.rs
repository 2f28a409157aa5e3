//! Sizes: a file is one idea and fits a head; a function fits a screen.

use super::Finding;
use super::tree::{SourceFile, Tree};

/// A file of more lines is looked at again.
const FILE_LINES_WARN: usize = 250;
/// A file of more lines is cut.
const FILE_LINES_MAX: usize = 450;
/// A function of more lines is looked at again.
const FUNCTION_LINES_WARN: usize = 60;

const CODE: [&str; 6] = ["rs", "py", "mjs", "ts", "sh", "svelte"];

/// Measures every source file outside tests.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let sources = tree.files.iter().filter(|file| CODE.iter().any(|code| file.has_extension(code)) && !file.is_test());
    sources.flat_map(|file| file_size(file).into_iter().chain(long_functions(file))).collect()
}

fn file_size(file: &SourceFile) -> Option<Finding> {
    let lines = file.text.lines().count();
    if lines > FILE_LINES_MAX {
        return Some(Finding::error(
            &file.path,
            format!("{lines} lines; the limit is {FILE_LINES_MAX}: cut it by ideas"),
        ));
    }
    let message = format!("{lines} lines; files aim at {FILE_LINES_WARN}");
    (lines > FILE_LINES_WARN).then(|| Finding::warning(&file.path, message))
}

/// Functions in formatted Rust: from the line with `fn` to the brace that closes at its indentation.
fn long_functions(file: &SourceFile) -> Vec<Finding> {
    if !file.has_extension("rs") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut open: Option<(usize, String, &str)> = None;
    for (number, line) in file.lines() {
        let body = line.trim_start();
        let indent = &line[..line.len() - body.len()];
        match &open {
            None => {
                if let Some(name) = function_name(body).filter(|_| !line.ends_with(['}', ';'])) {
                    open = Some((number, format!("{indent}}}"), name));
                }
            }
            Some((start, close, name)) if line == close => {
                let length = number - start + 1;
                if length > FUNCTION_LINES_WARN {
                    let message = format!("function {name} has {length} lines; functions aim at 25");
                    findings.push(Finding::warning(file.at(*start), message));
                }
                open = None;
            }
            // A declaration without a body, as in a trait.
            Some((_, close, _)) if line.ends_with(';') && line.len() < close.len() + 2 => open = None,
            Some(_) => {}
        }
    }
    findings
}

/// The name after `fn`, when the line begins a function.
fn function_name(line: &str) -> Option<&str> {
    const QUALIFIERS: [&str; 8] = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern", "\"C\""];
    let mut words = line.split(' ').skip_while(|word| QUALIFIERS.contains(word));
    if words.next()? != "fn" {
        return None;
    }
    words.next()?.split(['(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::Level;

    fn levels(path: &str, lines: usize) -> Vec<Level> {
        let text = "a line\n".repeat(lines);
        check(&Tree::of(&[(path, &text)])).into_iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn files_are_warned_at_250_lines_and_refused_at_450() {
        assert_eq!(levels("crates/state/src/lib.rs", 250), []);
        assert_eq!(levels("crates/state/src/lib.rs", 251), [Level::Warning]);
        assert_eq!(levels("crates/state/src/lib.rs", 450), [Level::Warning]);
        assert_eq!(levels("crates/state/src/lib.rs", 451), [Level::Error]);
    }

    #[test]
    fn tests_and_data_may_be_long() {
        assert_eq!(levels("crates/state/tests/it/main.rs", 900), []);
        assert_eq!(levels("demo/words.txt", 900), []);
    }

    fn function_of(lines: usize) -> String {
        format!("impl X {{\n    pub async fn go<T>(&self) {{\n{}    }}\n}}\n", "        x();\n".repeat(lines - 2))
    }

    #[test]
    fn long_functions_are_warned_of_by_name() {
        let tree = Tree::of(&[("a.rs", &function_of(61)), ("b.rs", &function_of(60))]);
        let findings = check(&tree);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].place, "a.rs:2");
        assert_eq!(findings[0].message, "function go has 61 lines; functions aim at 25");
    }

    #[test]
    fn declarations_and_one_liners_are_no_functions() {
        let text = format!("trait T {{\n    fn a();\n    fn b() {{}}\n}}\n{}", "x\n".repeat(100));
        assert_eq!(check(&Tree::of(&[("a.rs", &text)])), []);
    }
}
