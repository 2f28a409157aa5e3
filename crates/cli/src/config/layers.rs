//! Merging tables, and remembering where each value came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use toml::{Table, Value};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// The command line.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// Tables laid over each other.
#[derive(Debug, Clone)]
pub struct Layered {
    merged: Table,
    sources: BTreeMap<String, Source>,
}

impl Layered {
    /// Begins with the defaults.
    #[must_use]
    pub fn new(defaults: Table) -> Self {
        Self { merged: defaults, sources: BTreeMap::new() }
    }

    /// Lays `table` over what is there.
    pub fn add(&mut self, source: Source, table: Table) {
        lay_over(&mut self.merged, table, "", &source, &mut self.sources);
    }

    /// The merged table.
    #[must_use]
    pub const fn merged(&self) -> &Table {
        &self.merged
    }

    /// Where the value at a dotted path came from; nothing means that it is a default.
    #[must_use]
    pub fn source(&self, path: &str) -> Option<&Source> {
        self.sources.get(path)
    }

    /// What set a value last, the defaults aside.
    #[must_use]
    pub fn latest(&self) -> Option<&Source> {
        self.sources.values().max_by_key(|source| match source {
            Source::Default => 0,
            Source::File(_) => 1,
            Source::Environment(_) => 2,
            Source::Flag => 3,
        })
    }

    /// Every value with its dotted path and its source, in order.
    #[must_use]
    pub fn leaves(&self) -> Vec<(String, Value, Source)> {
        let mut leaves = Vec::new();
        collect(&self.merged, "", &mut |path, value| {
            let source = self.sources.get(&path).cloned().unwrap_or(Source::Default);
            leaves.push((path, value.clone(), source));
        });
        leaves
    }
}

fn lay_over(under: &mut Table, over: Table, prefix: &str, source: &Source, sources: &mut BTreeMap<String, Source>) {
    for (key, value) in over {
        let path = join(prefix, &key);
        match (under.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above, &path, source, sources),
            (_, value) => {
                under.insert(key, value);
                sources.insert(path, source.clone());
            }
        }
    }
}

fn collect(table: &Table, prefix: &str, visit: &mut impl FnMut(String, &Value)) {
    for (key, value) in table {
        let path = join(prefix, key);
        match value {
            Value::Table(inner) => collect(inner, &path, visit),
            leaf => visit(path, leaf),
        }
    }
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}
