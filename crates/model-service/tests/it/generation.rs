//! What is generated: the same when it must be, and never more than asked.

use serde_json::{Value, json};

use crate::gguf;
use crate::service::{Service, chat, text};

#[tokio::test]
async fn greedy_answers_repeat_and_seeds_decide_the_rest() {
    let service = Service::tiny().await;
    let first = service.ask("/v1/chat/completions", &chat("hello", 24)).await;
    let again = service.ask("/v1/chat/completions", &chat("hello", 24)).await;
    assert_eq!(text(&first), text(&again));
    let drawn = |seed: i64| {
        let mut body = chat("hello", 24);
        body["temperature"] = json!(1.5);
        body["seed"] = json!(seed);
        body
    };
    let (one, two) = (drawn(1), drawn(2));
    let a = service.ask("/v1/chat/completions", &one).await;
    let b = service.ask("/v1/chat/completions", &one).await;
    let c = service.ask("/v1/chat/completions", &two).await;
    assert_eq!(text(&a), text(&b));
    assert_ne!(text(&a), text(&c));
    // A prefix taken over would be computed in other pieces, and round differently.
    assert_eq!(b["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
}

#[tokio::test]
async fn company_does_not_change_a_greedy_answer() {
    let prompts = ["hello", "tell me of the river", "a b c d e f g", "why"];
    let body = |prompt: &str| {
        let mut body = chat(prompt, 24);
        body["logprobs"] = json!(true);
        body["top_logprobs"] = json!(2);
        body
    };
    let alone = Service::start(gguf::TINY, &["--parallel", "1"]).await;
    let together = Service::start(gguf::TINY, &["--parallel", "4"]).await;
    let bodies = prompts.map(body);
    let (a, b, c, d) = tokio::join!(
        together.ask("/v1/chat/completions", &bodies[0]),
        together.ask("/v1/chat/completions", &bodies[1]),
        together.ask("/v1/chat/completions", &bodies[2]),
        together.ask("/v1/chat/completions", &bodies[3]),
    );
    for (body, shared) in bodies.iter().zip([a, b, c, d]) {
        let own = alone.ask("/v1/chat/completions", body).await;
        same_but_for_ties(&own, &shared);
    }
}

/// Sums are added in another order in company, so two tokens that are as good as equally likely may change places;
/// from there on the answers differ.
fn same_but_for_ties(own: &Value, shared: &Value) {
    let tokens = |answer: &Value| answer["choices"][0]["logprobs"]["content"].as_array().expect("tokens").clone();
    for (own, shared) in tokens(own).iter().zip(&tokens(shared)) {
        if own["token"] != shared["token"] {
            let likely = |at: usize| own["top_logprobs"][at]["logprob"].as_f64().expect("a number");
            assert!(likely(0) - likely(1) < 0.01, "{own} {shared}");
            return;
        }
    }
}

#[tokio::test]
async fn a_stop_text_ends_the_answer_and_is_not_in_it() {
    let service = Service::tiny().await;
    let whole = service.ask("/v1/chat/completions", &chat("hello", 40)).await;
    let whole = text(&whole).to_owned();
    // A stop text from the middle, over the borders of tokens.
    let letters: Vec<char> = whole.chars().collect();
    let stop: String = letters[letters.len() / 2..letters.len() / 2 + 5].iter().collect();
    let mut body = chat("hello", 40);
    body["stop"] = json!([stop, "never there"]);
    let answer = service.ask("/v1/chat/completions", &body).await;
    assert_eq!(text(&answer), &whole[..whole.find(&stop).expect("it is there")]);
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");

    body["stream"] = json!(true);
    let streamed = service.post("/v1/chat/completions", &body).await.text().await.expect("a body");
    let pieces: String = crate::service::chunks(&streamed)
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(pieces, text(&answer));
}

#[tokio::test]
async fn a_schema_is_followed() {
    let service = Service::tiny().await;
    let schema = json!({"type": "object", "additionalProperties": false,
        "properties": {"count": {"type": "integer"}, "on": {"type": "boolean"}, "kind": {"enum": ["red", "blue"]}},
        "required": ["count", "on", "kind"]});
    for seed in 0..8 {
        let mut body = chat("an object please", 200);
        body["temperature"] = json!(1.0);
        body["seed"] = json!(seed);
        body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "thing", "schema": schema}});
        let answer = service.ask("/v1/chat/completions", &body).await;
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
        let object: Value = serde_json::from_str(text(&answer)).expect("the answer parses");
        assert!(object["count"].is_i64() && object["on"].is_boolean(), "{object}");
        assert!(object["kind"] == "red" || object["kind"] == "blue", "{object}");
    }
    let mut body = chat("yes or no", 10);
    body["grammar"] = json!("root ::= \"yes\" | \"no\"");
    let answer = service.ask("/v1/chat/completions", &body).await;
    assert!(["yes", "no"].contains(&text(&answer)), "{answer}");
}

#[tokio::test]
async fn log_probabilities_are_those_of_the_tokens() {
    let service = Service::tiny().await;
    let mut body = chat("hello", 8);
    body["logprobs"] = json!(true);
    body["top_logprobs"] = json!(20);
    let answer = service.ask("/v1/chat/completions", &body).await;
    let tokens = answer["choices"][0]["logprobs"]["content"].as_array().expect("tokens");
    assert_eq!(tokens.len(), 8);
    let joined: String = tokens.iter().filter_map(|token| token["token"].as_str()).collect();
    assert_eq!(joined, text(&answer));
    for token in tokens {
        let top = token["top_logprobs"].as_array().expect("alternatives");
        let sum: f64 = top.iter().filter_map(|t| t["logprob"].as_f64()).map(f64::exp).sum();
        assert!(top.len() == 20 && sum > 0.0 && sum <= 1.0 + 1e-4, "{sum}");
        // A greedy answer takes the likeliest.
        assert_eq!(token["token"], top[0]["token"]);
    }
}

#[tokio::test]
async fn what_was_computed_is_not_computed_again() {
    let service = Service::start(gguf::TINY, &["--parallel", "2"]).await;
    let cached = |answer: &Value| answer["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().expect("a count");
    let long = "la be di go fu ".repeat(8);
    let first = service.ask("/v1/chat/completions", &chat(&long, 4)).await;
    assert_eq!(cached(&first), 0);
    let second = service.ask("/v1/chat/completions", &chat(&format!("{long} and more"), 4)).await;
    let prompt_tokens = first["usage"]["prompt_tokens"].as_u64().expect("a count");
    assert!(cached(&second) > prompt_tokens / 2, "{second}");
    // A copy into the other sequence gives the same answer as computing it.
    let fresh = Service::tiny().await;
    let expected = fresh.ask("/v1/chat/completions", &chat(&long[..20], 12)).await;
    let copied = service.ask("/v1/chat/completions", &chat(&long[..20], 12)).await;
    assert!(cached(&copied) > 3, "{copied}");
    assert_eq!(text(&copied), text(&expected));
}

/// Two projects and one replica: neither by tokens nor by what is copied can one tell what the other sent.
#[tokio::test]
async fn what_one_project_computed_is_no_others() {
    let service = Service::start(gguf::TINY, &["--parallel", "2"]).await;
    let body = json!({"model": "tiny:1.0", "prompt": "la be di go fu ".repeat(8), "max_tokens": 2});
    let ask = async |salt: Option<&str>| {
        let request = service.client.post(format!("{}/v1/completions", service.url)).json(&body);
        let request = salt.into_iter().fold(request, |request, salt| request.header("x-mcp-cache-salt", salt));
        let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        answer["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().expect("a count")
    };
    assert_eq!(ask(Some("one")).await, 0);
    assert_eq!(ask(Some("two")).await, 0, "another project");
    assert!(ask(Some("one")).await > 10, "its own");
    assert_eq!(ask(None).await, 0, "no project");
    assert!(ask(None).await > 10, "those without one share");
    let too_long = service.client.post(format!("{}/v1/completions", service.url)).json(&body);
    let refused = too_long.header("x-mcp-cache-salt", "x".repeat(129)).send().await.expect("an answer");
    assert_eq!(refused.status(), 400);
}

#[tokio::test]
async fn penalties_and_biases_reach_the_draw() {
    let service = Service::tiny().await;
    let mut body =
        json!({"model": "tiny:1.0", "prompt": "hello", "max_tokens": 12, "temperature": 0, "logit_bias": {"300": 100}});
    let forced = service.ask("/v1/completions", &body).await;
    let piece = forced["choices"][0]["text"].as_str().expect("text").to_owned();
    assert_eq!(piece.len() % 12, 0, "one token twelve times: {piece:?}");
    assert_eq!(piece, piece[..piece.len() / 12].repeat(12));
    body["frequency_penalty"] = json!(2.0);
    body["logit_bias"] = json!({"300": 3});
    let varied = service.ask("/v1/completions", &body).await;
    assert_ne!(varied["choices"][0]["text"], piece);
}
