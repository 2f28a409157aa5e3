//! The files of the repository, as git sees them: tracked or about to be, never ignored.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// One text file.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Its path from the root, with `/`.
    pub path: String,
    /// What it holds.
    pub text: String,
}

impl SourceFile {
    /// Whether its name ends in `.extension`.
    pub fn has_extension(&self, extension: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
    }

    /// Whether it is a test by its place: anything below a folder named `tests`.
    pub fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests")
    }

    /// Lines with their numbers, from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// `path:line`.
    pub fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path)
    }
}

/// Every file. Files that are not UTF-8 (a model, an image) are listed with an empty text.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// In the order of their paths.
    pub files: Vec<SourceFile>,
}

impl Tree {
    /// The text of the file at `path`.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// The text of the file at `path`, which must be there.
    pub fn require(&self, path: &str) -> anyhow::Result<&str> {
        self.text(path).with_context(|| format!("{path} is missing"))
    }

    /// Whether `path` is a file or a folder of the tree.
    pub fn holds(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let below = format!("{path}/");
        self.files.iter().any(|file| file.path == path || file.path.starts_with(&below))
    }

    /// A tree for tests.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() })
            .collect();
        Self { files }
    }
}

/// The root of the repository that the command runs in.
pub fn find_root() -> anyhow::Result<PathBuf> {
    let output = Command::new("git").args(["rev-parse", "--show-toplevel"]).output().context("git does not run")?;
    ensure!(output.status.success(), "not in a git clone: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// Reads every file that git tracks or would track.
pub fn read_tree(root: &Path) -> anyhow::Result<Tree> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root)
        .output()
        .context("git does not run")?;
    ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim());
    let mut paths: Vec<&str> =
        std::str::from_utf8(&output.stdout)?.split('\0').filter(|path| !path.is_empty()).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        // A tracked file may have been deleted in the working tree.
        let Ok(bytes) = std::fs::read(root.join(path)) else { continue };
        files.push(SourceFile { path: path.to_owned(), text: String::from_utf8(bytes).unwrap_or_default() });
    }
    Ok(Tree { files })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_holds_files_and_their_folders() {
        let tree = Tree::of(&[("crates/domain/src/lib.rs", "")]);
        assert!(tree.holds("crates/domain"));
        assert!(tree.holds("crates/domain/"));
        assert!(tree.holds("crates/domain/src/lib.rs"));
        assert!(!tree.holds("crates/dom"));
    }

    #[test]
    fn tests_are_known_by_their_folder() {
        let tree = Tree::of(&[("crates/state/tests/it/main.rs", ""), ("crates/state/src/tests_of.rs", "")]);
        assert!(tree.files[0].is_test());
        assert!(!tree.files[1].is_test());
        assert!(tree.files[0].has_extension("rs"));
    }
}
