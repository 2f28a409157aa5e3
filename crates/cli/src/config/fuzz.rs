//! Structured nonsense in every layer of the configuration: it is refused with its place, its field and what to do, and
//! nothing panics.

use proptest::collection::vec;
use proptest::prelude::*;
use toml::{Table, Value};

use super::env::{Environment, FIELDS};
use super::{defaults, load};

/// Names of fields and sections that exist, and some that do not.
fn key() -> impl Strategy<Value = String> {
    let known: Vec<String> = {
        let table = defaults(&Environment::default()).expect("the defaults are a table");
        let sections = table.iter().flat_map(|(name, value)| {
            let inner = value.as_table().into_iter().flat_map(|table| table.keys().cloned());
            std::iter::once(name.clone()).chain(inner).collect::<Vec<_>>()
        });
        sections.collect()
    };
    prop_oneof![4 => proptest::sample::select(known), 1 => "[a-z_]{1,8}", 1 => "\\PC{0,6}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Float),
        any::<bool>().prop_map(Value::Boolean),
        "\\PC{0,20}".prop_map(Value::String),
        Just(Value::String("127.0.0.1:7000".to_owned())),
        Just(Value::String("127.0.0.1:0".to_owned())),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            vec((key(), inner), 0..4).prop_map(|pairs| Value::Table(pairs.into_iter().collect())),
        ]
    })
}

fn table() -> impl Strategy<Value = Table> {
    vec((key(), value()), 0..5).prop_map(|pairs| pairs.into_iter().collect())
}

/// A file: a table as it is written, one that was cut or changed, or any text.
fn text() -> impl Strategy<Value = String> {
    let written = || table().prop_map(|table| table.to_string());
    let cut = (written(), any::<proptest::sample::Index>())
        .prop_map(|(text, at)| text.chars().take(at.index(text.chars().count() + 1)).collect());
    prop_oneof![4 => written(), 2 => cut, 1 => "\\PC{0,80}", 1 => any::<String>()]
}

fn environment() -> impl Strategy<Value = Vec<(String, String)>> {
    let names: Vec<&str> = FIELDS.iter().map(|(name, ..)| *name).collect();
    let name = prop_oneof![6 => proptest::sample::select(names).prop_map(str::to_owned), 1 => "MCP_[A-Z_]{0,12}"];
    vec((name, prop_oneof!["\\PC{0,20}", Just("127.0.0.1:7000".to_owned())]), 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nonsense_is_refused_with_its_place_its_field_and_what_to_do(file in text(), pairs in environment()) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mcp.toml");
        std::fs::write(&path, &file).expect("written");
        let borrowed: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let Err(problem) = load(Some(&path), &Environment::from_pairs(&borrowed), Table::new()) else { return Ok(()) };
        prop_assert!(problem.next_step.is_some(), "{problem:?}");
        let names_variable = pairs.iter().any(|(name, _)| problem.cause.contains(name.as_str()));
        prop_assert!(problem.cause.contains("mcp.toml") || names_variable, "no place: {problem:?}");
        let is_of_the_format = file.parse::<Table>().is_err();
        let is_unknown_variable = problem.cause.contains("environment variable");
        let has_field = problem.field.as_ref().is_some_and(|field| !field.is_empty());
        prop_assert!(has_field || is_of_the_format || is_unknown_variable, "no field: {problem:?}");
        prop_assert!(!problem.cause.chars().any(domain::text::is_hidden), "{problem:?}");
    }
}

#[test]
fn deep_nesting_and_large_files_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mcp.toml");
    let brackets = 100_000;
    let deep = [format!("x = {}", "[".repeat(brackets)), "a.".repeat(brackets) + "b = 1", "#".repeat(2 << 20)];
    for text in deep {
        std::fs::write(&path, &text).expect("written");
        let problem = load(Some(&path), &Environment::default(), Table::new()).expect_err("refused");
        assert!(problem.cause.contains("mcp.toml"), "{}", problem.cause);
    }
    let fifo = folder.path().join("fifo.toml");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    assert!(load(Some(&fifo), &Environment::default(), Table::new()).is_err(), "and it is not waited for");
}
