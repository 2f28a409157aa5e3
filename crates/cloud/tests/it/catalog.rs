//! The contract as it goes over the wire, held to a snapshot: a change of it is seen in review.

use cloud::contract::{catalog, find};
use domain::Kind;
use serde_json::{Value, json};

/// Most bytes of all definitions together; about four a token.
const BYTES_MAX: usize = 36_000;

#[test]
fn the_catalog_is_as_it_was() {
    let tools: Vec<Value> = catalog()
        .iter()
        .map(|tool| {
            json!({
                "name": tool.name,
                "description": tool.description,
                "hints": [tool.hints.read_only, tool.hints.destructive, tool.hints.idempotent],
                "input": *tool.input_schema,
                "output": *tool.output_schema,
            })
        })
        .collect();
    insta::assert_json_snapshot!("catalog", tools);
}

#[test]
fn schemas_are_small_closed_and_free_of_traps() {
    for tool in catalog() {
        let (input, output) =
            (Value::Object((*tool.input_schema).clone()), Value::Object((*tool.output_schema).clone()));
        assert_eq!(input["type"], "object", "{}", tool.name);
        assert_eq!(input["additionalProperties"], false, "{}", tool.name);
        assert_eq!(output["type"], "object", "{}", tool.name);
        let text = format!("{input}{output}");
        assert!(
            !output.to_string().contains("\"null\"") && !input.to_string().contains("\"default\""),
            "{}",
            tool.name
        );
        for trap in ["$ref", "uint", "int64", "$schema"] {
            assert!(!text.contains(trap), "{} has {trap}: {text}", tool.name);
        }
        assert!(tool.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && tool.name.len() < 48);
        let writes = !tool.hints.read_only;
        assert_eq!(input["properties"].get("idempotency_token").is_some(), writes, "{}", tool.name);
        check_closed(tool.name, &input);
        if let Some(region) = input["properties"].get("region") {
            let required = input["required"].as_array().is_some_and(|all| all.contains(&json!("region")));
            let wanted =
                if required { (json!("string"), json!("Region")) } else { (json!(["string", "null"]), Value::Null) };
            assert_eq!((&region["type"], region.get("x-mcp-header").unwrap_or(&Value::Null)), (&wanted.0, &wanted.1));
        }
    }
}

/// Every object in an input schema names all its properties, refuses others, and lets the optional ones be null.
fn check_closed(tool: &str, schema: &Value) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    if schema["type"] == "object" {
        assert_eq!(schema["additionalProperties"], false, "{tool}: {schema}");
        for (name, property) in schema["properties"].as_object().expect("properties") {
            let optional = !required.contains(&json!(name));
            let nullable = property["type"].as_array().is_some_and(|types| types.contains(&json!("null")));
            assert_eq!(optional, nullable, "{tool}: {name}: {property}");
            check_closed(tool, property);
        }
    }
    if let Some(items) = schema.get("items") {
        check_closed(tool, items);
    }
}

#[test]
fn a_list_of_tools_is_short() {
    let bytes: usize = catalog()
        .iter()
        .map(|tool| json!([tool.name, tool.description, *tool.input_schema, *tool.output_schema]).to_string().len())
        .sum();
    assert!(bytes < BYTES_MAX, "{bytes} bytes: models pay for each");
}

#[test]
fn arguments_are_checked_and_the_field_at_fault_is_named() {
    let deploy = find("deploy_model").expect("a tool");
    let good = json!({
        "region": "us-east", "nodepool": "p", "model": "demo:1.0", "artifact": "/m", "digest": "a".repeat(64),
        "replicas": 2, "resources": {"cpu_milli": 1000, "memory_bytes": 1}, "idempotency_token": "x".repeat(16),
    });
    let members = |value: &Value| value.as_object().expect("an object").clone();
    let checked = deploy.check(members(&good)).expect("good");
    assert_eq!((&checked["dry_run"], &checked["market"]), (&json!(false), &json!("on_demand")));
    assert_eq!(deploy.check(members(&checked)).expect("canonical"), checked, "checking again changes nothing");
    let cases = [
        ("replicas", json!(-1)),
        ("replicas", json!(1001)),
        ("replicas", json!("2")),
        ("replicas", json!(1.5)),
        ("model", json!("demo")),
        ("digest", json!("md5:1")),
        ("market", json!("black")),
        ("idempotency_token", json!("short")),
        ("max_cost_usd", json!(-0.1)),
        ("surprise", json!(1)),
        ("labels", json!({"a": "1"})),
        ("labels", json!([{"key": "a", "value": 1}])),
        ("labels", json!([{"key": "", "value": "1"}])),
        ("labels", json!([{"key": "a", "value": "1"}, {"key": "a", "value": "2"}])),
        ("labels", json!(vec![json!({"key": "a", "value": "1"}); 65])),
        ("resources", json!({"cpu_milli": 1, "memory_bytes": 1, "disk": 1})),
    ];
    for (field, value) in cases {
        let mut bad = members(&good);
        bad.insert(field.to_owned(), value.clone());
        let problem = deploy.check(bad).expect_err(field);
        assert_eq!(problem.kind, Kind::Invalid);
        assert!(problem.field.as_deref().is_some_and(|at| at.starts_with(field)), "{field} {value}: {problem:?}");
    }
    for field in ["region", "digest", "idempotency_token"] {
        for absent in [None, Some(Value::Null)] {
            let mut bad = members(&good);
            bad.remove(field);
            bad.extend(absent.map(|null| (field.to_owned(), null)));
            assert_eq!(deploy.check(bad).expect_err(field).field.as_deref(), Some(field));
        }
    }
    let mut with_null = members(&good);
    with_null.insert("reason".to_owned(), Value::Null);
    assert!(deploy.check(with_null).is_ok(), "null stands for absence");
}
