//! Walks at random through compiled forms: what ends is right, and what is hostile ends soon.

use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::Form;
use super::compile::testing::{Bench, END};

/// Far more than any of it takes on an idle machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a walk ended.
#[derive(Debug)]
enum Walk {
    /// With a whole answer.
    Whole(Vec<u8>),
    /// It was still going on after the most tokens.
    Cut,
    /// The form was refused on the way, or before it.
    Refused(domain::Problem),
}

/// Draws one allowed token after the other. Tokens that close something are as likely as all others together.
fn walk(bench: &Bench, form: &Form, seed: u64, most_tokens: usize) -> Walk {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut constraint = match bench.make(form) {
        Ok(constraint) => constraint,
        Err(problem) => return Walk::Refused(problem),
    };
    let mut text = Vec::new();
    for _ in 0..most_tokens {
        if constraint.is_complete() {
            return Walk::Whole(text);
        }
        let allowed = match constraint.allowed() {
            Ok(allowed) => allowed,
            Err(problem) => return Walk::Refused(problem),
        };
        let all: Vec<u32> = (0..bench.size()).filter(|&token| allowed.has(token as i32)).collect();
        let closing: Vec<u32> =
            all.iter().copied().filter(|&t| t == END || matches!(bench.piece(t), b"\"" | b"}" | b"]")).collect();
        let from = if !closing.is_empty() && rng.random_bool(0.5) { &closing } else { &all };
        let token = from[rng.random_range(0..from.len())];
        if let Err(problem) = constraint.accept(token as i32) {
            return Walk::Refused(problem);
        }
        if token == END {
            return Walk::Whole(text);
        }
        text.extend_from_slice(bench.piece(token));
    }
    Walk::Cut
}

fn schemas() -> Vec<Value> {
    let string = json!({"type": "string"});
    vec![
        json!({"type": "object"}),
        json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": string}, "required": ["a"]}),
        json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": string}, "required": ["b", "a"], "additionalProperties": false}),
        json!({"type": "integer", "minimum": -3, "maximum": 17}),
        json!({"type": "integer", "exclusiveMinimum": 9, "multipleOf": 3, "maximum": 200}),
        json!({"type": "number", "minimum": 0, "maximum": 1}),
        json!({"type": "number", "exclusiveMinimum": -1.5, "exclusiveMaximum": 2.25}),
        json!({"type": "string", "minLength": 2, "maxLength": 5}),
        json!({"type": "string", "pattern": "^[a-z]+$", "maxLength": 2}),
        json!({"type": "string", "pattern": "^\\d{4}$"}),
        json!({"type": "string", "pattern": "ab|c\\s?d"}),
        json!({"type": "string", "format": "date"}),
        json!({"type": "string", "format": "uuid"}),
        json!({"enum": ["red", "blue", 3, null, true, "say \"hi\"\n", {"a": [1]}]}),
        json!({"const": {"k": ["x", 1.5]}}),
        json!({"allOf": [{"type": "string"}, {"maxLength": 2}]}),
        json!({"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "integer"}, "maxItems": 3}]}),
        json!({"oneOf": [{"type": "string", "maxLength": 4}, {"type": "null"}]}),
        json!({"type": ["integer", "null"]}),
        json!({"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1, "maxItems": 4}),
        json!({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "boolean"}], "items": false, "minItems": 2}),
        json!({"type": "object", "patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": false}),
        json!({"type": "object", "additionalProperties": {"type": "boolean"}, "maxProperties": 2}),
        json!({"type": "object", "properties": {"a": {}, "b": {}}, "minProperties": 1, "additionalProperties": false}),
        json!({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "boolean"}}}),
        json!({"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}}, "required": ["v", "next"], "additionalProperties": false}}}),
        json!({"properties": {"a": {"const": 1}}, "required": ["a"], "type": "object"}),
        json!({"type": "object", "properties": {"a b\"c/é": {"type": "null"}}, "required": ["a b\"c/é"]}),
        json!({"type": "object", "properties": {"t": {"const": "x"}}, "required": ["t"], "allOf": [{"properties": {"u": {"type": "integer"}}, "required": ["u"]}]}),
        json!({"minimum": 5, "type": "number", "maximum": 5}),
        json!(true),
        json!({}),
    ]
}

#[test]
fn what_ends_follows_its_schema() {
    let bench = Bench::new();
    for schema in schemas() {
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let form = Form::Schema(schema.clone());
        let mut whole = 0;
        for seed in 0..30 {
            match walk(&bench, &form, seed, 400) {
                Walk::Whole(text) => {
                    let value: Value = serde_json::from_slice(&text).unwrap_or_else(|error| {
                        panic!("{error} in {:?} for {schema}, seed {seed}", String::from_utf8_lossy(&text))
                    });
                    assert!(validator.is_valid(&value), "{value} for {schema}, seed {seed}");
                    whole += 1;
                }
                Walk::Cut => {}
                Walk::Refused(problem) => panic!("{problem:?} for {schema}, seed {seed}"),
            }
        }
        assert!(whole >= 10, "only {whole} answers of 30 ended for {schema}");
    }
}

#[test]
fn grammars_mean_what_llama_cpp_means() {
    let bench = Bench::new();
    // Each grammar with a check that every whole answer must pass.
    type Check = fn(&str) -> bool;
    let balanced: Check = |text| {
        let end = text.chars().try_fold(0i32, |depth, c| {
            let depth = depth + if c == '(' { 1 } else { -1 };
            (depth >= 0).then_some(depth)
        });
        end == Some(0)
    };
    let cases: Vec<(&str, Check)> = vec![
        ("root ::= \"yes\" | \"no\"", |text| text == "yes" || text == "no"),
        ("root ::= [a-c]{2,4} \"!\"?", |text| (2..=5).contains(&text.len())),
        ("root ::= [^a-z\\n]{3}", |text| {
            text.chars().count() == 3 && !text.contains(|c: char| c.is_ascii_lowercase() || c == '\n')
        }),
        ("root ::= \"é\" . \"\\u20AC\"", |text| {
            text.starts_with('é') && text.ends_with('€') && text.chars().count() == 3
        }),
        ("root ::= pair*\npair ::= \"(\" pair* \")\"", balanced),
        ("root ::= root \"a\" | \"b\"", |text| text.starts_with('b') && text[1..].chars().all(|c| c == 'a')),
        ("root ::= (\"a\"? \"a\"? \"a\"? \"a\"? \"a\"? \"a\"? \"a\"? \"a\"?){50}", |text| {
            text.len() <= 400 && text.chars().all(|c| c == 'a')
        }),
        // Text that a greedy lexer would run past: the blanks belong to the number or to the end.
        (
            "root ::= (sum \"\\n\")+\nsum ::= num (\"+\" sum)?\nnum ::= [0-9]+ ws | \"(\" sum \")\" ws\nws ::= [ \\n]*",
            |text| text.ends_with('\n'),
        ),
        ("root ::= \"\"", str::is_empty),
        ("root ::= <[300000]>? \"x\"", |_| false),
        ("root ::= <[97]> <|tool|>", |text| text == "a"),
    ];
    for (grammar, check) in cases {
        let mut whole = 0;
        for seed in 0..20 {
            match walk(&bench, &Form::Grammar(grammar.into()), seed, 600) {
                Walk::Whole(text) => {
                    let text = String::from_utf8(text).expect("text");
                    assert!(check(&text), "{text:?} for {grammar}, seed {seed}");
                    whole += 1;
                }
                Walk::Cut => {}
                Walk::Refused(problem) => {
                    assert!(grammar.contains("300000"), "{problem:?} for {grammar}, seed {seed}");
                    assert_eq!(problem.field.as_deref(), Some("grammar"));
                    whole += 20;
                }
            }
        }
        assert!(whole >= 5, "only {whole} answers of 20 ended for {grammar}");
    }
}

#[test]
fn hostile_forms_end_soon_and_are_faults_of_the_request() {
    let bench = Bench::new();
    let many = |count: usize, schema: Value| -> Value {
        let map: serde_json::Map<String, Value> = (0..count).map(|at| (format!("k{at}"), schema.clone())).collect();
        json!({"type": "object", "properties": map, "additionalProperties": false})
    };
    let nest = |depth: usize, name: &str| (0..depth).fold(json!({"type": "null"}), |inner, _| json!({name: inner}));
    let strings = |count: usize| -> Vec<String> { (0..count).map(|at| format!("value {at} of many")).collect() };
    let wide = json!({"anyOf": vec![json!({"type": "string", "minLength": 1}); 200]});
    let schemas = [
        many(1_500, json!({"type": "integer"})),
        many(500, json!({"type": "integer"})),
        many(6_500, json!({})),
        many(500, json!({"type": "string", "maxLength": 200})),
        many(100, many(9, json!({"type": "number"}))),
        json!({"type": "integer", "minimum": 9, "maximum": 1}),
        json!({"enum": []}),
        json!(false),
        json!({"type": "string", "minLength": 5, "maxLength": 2}),
        json!({"type": "object", "required": ["a"], "additionalProperties": false}),
        json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}),
        json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B", "type": "object"}, "B": {"$ref": "#/$defs/A", "type": "object"}}}),
        json!({"type": "array", "items": {"$ref": "#"}, "minItems": 1}),
        nest(60, "items"),
        nest(60, "additionalProperties"),
        json!({"enum": strings(2_000)}),
        json!({"type": "array", "items": {"enum": strings(1_000)}, "minItems": 50_000}),
        json!({"type": "string", "minLength": 100_000}),
        json!({"type": "string", "pattern": "^(((a{100}){100}){100}b)*$"}),
        json!({"type": "string", "pattern": "(a*)*(a*)*(a*)*(a*)*[^b]{1000}c"}),
        json!({"type": "string", "pattern": "(?=a)b"}),
        json!({"type": "string", "pattern": "(.*a.{12}b.*){3}"}),
        json!({"type": "string", "pattern": "(", "maxLength": 4}),
        json!({"type": "integer", "multipleOf": 0}),
        json!({"type": "number", "multipleOf": 1e-300}),
        json!({"type": "number", "minimum": 1e300, "maximum": 1e308}),
        json!({"allOf": [wide, wide, wide]}),
        json!({"oneOf": vec![json!({"type": "object", "properties": {"a": {"enum": strings(5)}}}); 200]}),
        json!({"patternProperties": {"a": {}, "b": {}, "c": {}, "d": {}}}),
        json!({"type": "é".repeat(300)}),
        json!({"$schema": "http://example.com/none", "$id": "not a uri \u{0}", "type": "null"}),
    ];
    for schema in schemas {
        let started = Instant::now();
        let ended = walk(&bench, &Form::Schema(schema.clone()), 1, 60);
        let took = started.elapsed();
        let shown: String = schema.to_string().chars().take(70).collect();
        if let Walk::Refused(problem) = &ended {
            assert_eq!(
                (problem.kind, problem.field.as_deref()),
                (domain::Kind::Invalid, Some("response_format")),
                "{problem:?}"
            );
        }
        assert!(took < PATIENCE, "{took:?} for {shown}");
    }
    let deep = format!("root ::= {}\"a\"{}", "(".repeat(30), ")?".repeat(30));
    let long: String = (0..1_000).map(|at| format!("r{at} ::= r{} \"a\"?\n", at + 1)).collect::<String>()
        + "r1000 ::= \"x\"\nroot ::= r0";
    let grammars = [
        "root ::= (\"a\"? \"a\"? \"a\"? \"a\"? \"a\"? \"a\"? \"a\"? \"a\"?){50}",
        "root ::= a{100}\na ::= b{100}\nb ::= \"x\"?\n",
        "root ::= a{2000}\na ::= b{2000}\nb ::= c{2000}\nc ::= [a-z]? root?",
        "root ::= a a a a a a\na ::= b b b b b b\nb ::= c c c c c c\nc ::= d d d d d\nd ::= \"x\"? e?\ne ::= root \"y\" | \"z\"",
        "root ::= root root | \"a\"",
        "root ::= root \"a\"",
        "root ::= <[99999999]>",
        "root ::= (\"a\" | \"a\" \"a\" | \"a\" \"a\" \"a\")*",
        "root ::= ([a-z]* [a-z]* [a-z]*)* \"!\"",
        "root ::= (.{0,2000}){0,2000} \"!\"",
        &deep,
        &long,
    ];
    for grammar in grammars {
        let started = Instant::now();
        let ended = walk(&bench, &Form::Grammar(grammar.to_owned()), 1, 60);
        let took = started.elapsed();
        if let Walk::Refused(problem) = &ended {
            assert_eq!(
                (problem.kind, problem.field.as_deref()),
                (domain::Kind::Invalid, Some("grammar")),
                "{problem:?}"
            );
        }
        assert!(took < PATIENCE, "{took:?} for {grammar:.70}");
    }
}

/// A schema of a few keywords, nested a few levels.
fn any_schema() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let number = -20i32..20;
    let leaf = prop_oneof![
        Just(json!({})),
        Just(json!({"type": "boolean"})),
        Just(json!({"type": ["null", "string"], "maxLength": 3})),
        (number.clone(), number.clone()).prop_map(|(a, b)| json!({"type": "integer", "minimum": a, "maximum": b})),
        (number.clone(), 1..7i32)
            .prop_map(|(a, m)| json!({"type": "integer", "exclusiveMinimum": a, "multipleOf": m, "maximum": 60})),
        (number.clone(), number).prop_map(
            |(a, b)| json!({"type": "number", "minimum": f64::from(a) / 4.0, "exclusiveMaximum": f64::from(b) / 3.0})
        ),
        (0..4usize, 0..4usize).prop_map(|(a, b)| json!({"type": "string", "minLength": a, "maxLength": b})),
        "[a-c.*+?()|\\[\\]^$\\\\d{},0-3-]{0,8}"
            .prop_map(|pattern| json!({"type": "string", "pattern": pattern, "maxLength": 6})),
        "[a-zé\"\\\\/ \n]{0,4}".prop_map(|text| json!({"const": text})),
        prop::collection::vec(-5..5i64, 0..3).prop_map(|values| json!({"enum": values})),
    ];
    leaf.prop_recursive(3, 24, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            list.clone().prop_map(|all| json!({"allOf": all})),
            list.clone().prop_map(|any| json!({"anyOf": any})),
            list.clone().prop_map(|one| json!({"oneOf": one})),
            (list, any::<bool>()).prop_map(|(items, more)| json!({"type": "array", "prefixItems": items, "items": more, "minItems": 1, "maxItems": 3})),
            (inner.clone(), 0..3usize).prop_map(|(items, least)| json!({"type": "array", "items": items, "minItems": least, "maxItems": 2})),
            (inner.clone(), inner, any::<bool>(), any::<bool>()).prop_map(|(a, b, more, both)| {
                let required = if both { json!(["a", "b"]) } else { json!(["b"]) };
                json!({"type": "object", "properties": {"a": a, "b": b}, "required": required, "additionalProperties": more, "maxProperties": 3})
            }),
        ]
    })
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 150, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_schema_is_followed_or_refused(schema in any_schema(), seed in 0..1_000u64) {
        thread_local!(static BENCH: Bench = Bench::new());
        let ended = BENCH.with(|bench| walk(bench, &Form::Schema(schema.clone()), seed, 200));
        match ended {
            Walk::Whole(text) => {
                let value: Value = match serde_json::from_slice(&text) {
                    Ok(value) => value,
                    // A number without bounds may have any exponent: JSON says so, not every reader.
                    Err(error) if error.to_string().contains("number out of range") => return Ok(()),
                    Err(error) => {
                        let text = String::from_utf8_lossy(&text);
                        return Err(proptest::test_runner::TestCaseError::fail(format!("{error}: {text:?}")));
                    }
                };
                let valid = jsonschema::validator_for(&schema).map(|validator| validator.is_valid(&value));
                proptest::prop_assert!(valid.unwrap_or(true), "{value} for {schema}");
            }
            Walk::Cut => {}
            Walk::Refused(problem) => proptest::prop_assert_eq!(problem.kind, domain::Kind::Invalid, "{}", problem.cause),
        }
    }
}
