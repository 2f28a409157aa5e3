//! Tools and a prompt that ask the client before they answer, in rounds. What they remember between rounds goes through
//! the client, sealed.

use serde_json::{Map, Value, json};

/// One that asks.
pub struct Dialogue {
    /// The tool's or prompt's name.
    pub name: &'static str,
    /// What is asked in each round, by key.
    rounds: Vec<Value>,
    /// Whether the client carries sealed state from round to round.
    sealed: bool,
    /// What its answer begins with.
    done: &'static str,
}

/// Where a dialogue stands.
pub enum Turn {
    /// It asks; this is the result.
    Ask(Value),
    /// It is done; this is its text.
    Done(String),
    /// The state was tampered with.
    Tampered,
}

fn elicit(message: &str, property: &str, kind: &str) -> Value {
    let schema = json!({ "type": "object", "properties": { property: { "type": kind } }, "required": [property] });
    json!({ "method": "elicitation/create", "params": { "mode": "form", "message": message, "requestedSchema": schema } })
}

fn sample(question: &str) -> Value {
    let messages = json!([{ "role": "user", "content": { "type": "text", "text": question } }]);
    json!({ "method": "sampling/createMessage", "params": { "messages": messages, "maxTokens": 100 } })
}

fn roots() -> Value {
    json!({ "method": "roots/list", "params": {} })
}

fn name() -> Value {
    elicit("What is your name?", "name", "string")
}

/// All of them.
pub fn all() -> Vec<Dialogue> {
    let plain = |name, asked: Value| Dialogue { name, rounds: vec![asked], sealed: false, done: "Hello," };
    let sealed = |name, rounds| Dialogue { name, rounds, sealed: true, done: "state-ok" };
    let confirm = || json!({ "confirm": elicit("Please confirm", "ok", "boolean") });
    vec![
        plain("test_input_required_result_elicitation", json!({ "user_name": name() })),
        plain("test_streaming_elicitation", json!({ "user_name": name() })),
        plain(
            "test_input_required_result_sampling",
            json!({ "capital_question": sample("What is the capital of France?") }),
        ),
        plain("test_input_required_result_list_roots", json!({ "client_roots": roots() })),
        plain(
            "test_input_required_result_prompt",
            json!({ "user_context": elicit("What context should the prompt use?", "context", "string") }),
        ),
        sealed("test_input_required_result_request_state", vec![confirm()]),
        sealed("test_input_required_result_tampered_state", vec![confirm()]),
        sealed(
            "test_input_required_result_multiple_inputs",
            vec![json!({ "user_name": name(), "greeting": sample("Generate a greeting"), "client_roots": roots() })],
        ),
        sealed(
            "test_input_required_result_multi_round",
            vec![
                json!({ "step1": elicit("Step 1: What is your name?", "name", "string") }),
                json!({ "step2": elicit("Step 2: What is your favorite color?", "color", "string") }),
            ],
        ),
    ]
}

/// What may be asked of a client with these capabilities.
pub fn within(capabilities: &Value) -> Value {
    let mut asked = Map::new();
    for (capability, key, request) in
        [("elicitation", "user_name", name()), ("sampling", "greeting", sample("Greet")), ("roots", "roots", roots())]
    {
        if capabilities.get(capability).is_some() {
            asked.insert(key.to_owned(), request);
        }
    }
    json!({ "resultType": "input_required", "inputRequests": asked })
}

impl Dialogue {
    /// The next turn after `answers`, with the state that came with them.
    pub fn turn(&self, answers: Option<&Value>, state: Option<&str>) -> Turn {
        let round = match state {
            Some(state) if self.sealed => match self.unseal(state) {
                Some(round) => round,
                None => return Turn::Tampered,
            },
            _ => 0,
        };
        let may_answer = !self.sealed || state.is_some();
        let answered = answers.filter(|answers| may_answer && self.is_answered(round, answers));
        match answered {
            None => Turn::Ask(self.ask(round)),
            Some(_) if round + 1 < self.rounds.len() => Turn::Ask(self.ask(round + 1)),
            Some(answers) => Turn::Done(format!("{} {}", self.done, said(answers))),
        }
    }

    fn is_answered(&self, round: usize, answers: &Value) -> bool {
        let asked = self.rounds[round].as_object();
        asked.into_iter().flatten().all(|(key, request)| {
            let answer = &answers[key];
            let wanted = request["params"]["requestedSchema"]["required"][0].as_str();
            wanted.map_or(answer.is_object(), |property| answer["content"].get(property).is_some())
        })
    }

    fn ask(&self, round: usize) -> Value {
        let mut result = json!({ "resultType": "input_required", "inputRequests": self.rounds[round] });
        if self.sealed {
            result["requestState"] = json!(self.seal(round));
        }
        result
    }

    fn seal(&self, round: usize) -> String {
        let mac = blake3::keyed_hash(&[7; 32], format!("{} {round}", self.name).as_bytes());
        format!("{round}.{}", mac.to_hex())
    }

    fn unseal(&self, state: &str) -> Option<usize> {
        let round = state.split('.').next()?.parse().ok()?;
        (round < self.rounds.len() && self.seal(round) == state).then_some(round)
    }
}

/// The texts in the answers, at any depth.
fn said(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(said).collect::<Vec<_>>().join(" "),
        Value::Object(members) => members.values().map(said).collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}
