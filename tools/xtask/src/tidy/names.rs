//! Names that say nothing about what is inside, and so collect everything.

use super::Finding;
use super::tree::{SourceFile, Tree};

const FORBIDDEN: [&str; 9] = ["util", "utils", "common", "helper", "helpers", "misc", "manager", "managers", "base"];

/// Finds files, folders and inline modules with such a name. A crate is a folder here.
pub fn check(tree: &Tree) -> Vec<Finding> {
    tree.files.iter().flat_map(|file| path_names(file).into_iter().chain(inline_modules(file))).collect()
}

fn path_names(file: &SourceFile) -> Option<Finding> {
    let stems = file.path.split('/').map(|part| part.split('.').next().unwrap_or(part));
    let name = stems.into_iter().find(|stem| FORBIDDEN.contains(stem))?;
    Some(Finding::error(
        &file.path,
        format!("the name '{name}' says nothing of what is inside: use the field's own term"),
    ))
}

fn inline_modules(file: &SourceFile) -> Vec<Finding> {
    if !file.has_extension("rs") {
        return Vec::new();
    }
    let modules = file.lines().filter_map(|(number, line)| {
        let name = line.trim_start().trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(" {")?;
        FORBIDDEN.contains(&name).then_some((number, name))
    });
    modules.map(|(number, name)| Finding::error(file.at(number), format!("module '{name}' says nothing"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_names_are_found_as_file_folder_and_module() {
        let tree = Tree::of(&[
            ("crates/common/src/lib.rs", ""),
            ("crates/state/src/util.rs", ""),
            ("crates/state/src/manager/mod.rs", ""),
            ("crates/state/src/lib.rs", "pub mod helpers {\n}\n"),
        ]);
        let places: Vec<String> = check(&tree).into_iter().map(|finding| finding.place).collect();
        assert_eq!(
            places,
            [
                "crates/common/src/lib.rs",
                "crates/state/src/util.rs",
                "crates/state/src/manager/mod.rs",
                "crates/state/src/lib.rs:1"
            ]
        );
    }

    #[test]
    fn names_that_only_contain_such_a_word_pass() {
        let tree = Tree::of(&[("crates/state/src/database.rs", "mod utility {\n}\n"), ("docs/baseline.md", "")]);
        assert_eq!(check(&tree), []);
    }
}
