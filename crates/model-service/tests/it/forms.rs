//! Answers that must have a form: each that ends by itself has it.

use serde_json::{Value, json};

use crate::service::{Service, chat, chunks, text};

fn asked(schema: &Value, seed: i64) -> Value {
    let mut body = chat("an answer please", 150);
    body["temperature"] = json!(1.0);
    body["seed"] = json!(seed);
    body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "form", "schema": schema}});
    body
}

#[tokio::test]
async fn answers_that_end_follow_their_schema() {
    let service = Service::tiny().await;
    let schemas = [
        json!({"type": "integer", "minimum": -3, "maximum": 17}),
        json!({"type": "number", "minimum": 0, "maximum": 1}),
        json!({"type": "string", "pattern": "^[a-z]+$", "maxLength": 2}),
        json!({"type": "string", "pattern": "^\\d{4}$"}),
        json!({"allOf": [{"type": "string"}, {"maxLength": 2}]}),
        json!({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "boolean"}}}),
        json!({"enum": ["red", 3, null, {"a": [1]}]}),
        json!({"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 1, "maxItems": 4}),
        json!({"type": "object", "properties": {"on": {"type": "boolean"}, "n": {"type": "integer", "maximum": 9, "minimum": 0}},
            "required": ["on"], "additionalProperties": false}),
        json!({"type": "string", "format": "date"}),
        json!({"anyOf": [{"type": "null"}, {"type": "array", "items": {"type": "boolean"}, "maxItems": 2}]}),
    ];
    let mut ended = 0;
    for schema in &schemas {
        let validator = jsonschema::validator_for(schema).expect("a schema");
        for seed in 0..4 {
            let answer = service.ask("/v1/chat/completions", &asked(schema, seed)).await;
            if answer["choices"][0]["finish_reason"] == "stop" {
                ended += 1;
                let value: Value = serde_json::from_str(text(&answer)).expect("JSON");
                assert!(validator.is_valid(&value), "{value} for {schema}, seed {seed}");
            }
        }
    }
    assert!(ended > schemas.len() * 3, "only {ended} answers ended");
}

#[tokio::test]
async fn forms_go_with_the_other_options() {
    let service = Service::tiny().await;
    let mut body = chat("yes or no", 10);
    body["grammar"] = json!("root ::= \"yes\" | \"no\" | \"maybe\"");
    let free = service.ask("/v1/chat/completions", &body).await;
    // The bias of a token that only one option holds decides; forbidden tokens stay forbidden.
    for wanted in ["yes", "no", "maybe"] {
        let tokens = service.ask("/tokenize", &json!({"content": wanted})).await;
        let first = tokens["tokens"][0].as_i64().expect("a token");
        body["logit_bias"] = json!({first.to_string(): 100});
        body["presence_penalty"] = json!(0.5);
        body["logprobs"] = json!(true);
        let answer = service.ask("/v1/chat/completions", &body).await;
        assert!(["yes", "no", "maybe"].contains(&text(&answer)), "{answer}");
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    }
    assert!(["yes", "no", "maybe"].contains(&text(&free)));
    // Streamed it is the same, and the whole usage is told.
    body.as_object_mut()
        .expect("an object")
        .retain(|name, _| !["logit_bias", "presence_penalty", "logprobs"].contains(&name.as_str()));
    body["stream"] = json!(true);
    let streamed = service.post("/v1/chat/completions", &body).await.text().await.expect("a body");
    let pieces: String =
        chunks(&streamed).iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(pieces, text(&free));
    // Completions take forms, too, and an answer of nothing is an answer.
    let empty = json!({"model": "tiny", "prompt": "hello", "grammar": "root ::= \"\"", "max_tokens": 4});
    let answer = service.ask("/v1/completions", &empty).await;
    assert_eq!((&answer["choices"][0]["text"], &answer["choices"][0]["finish_reason"]), (&json!(""), &json!("stop")));
}
