//! Our client as the official conformance tool drives it: `conformance_client URL` lists the tools and calls each once.
//!
//! The scenarios' tools answer in other shapes than the clouds', which the client says; the tool judges what was sent.

#![allow(clippy::print_stderr, reason = "its caller shows it")]

use std::sync::Arc;

use access::token::Signer;
use cloud::client::{CallError, ClientConfig, CloudClient, SignedTokens};
use domain::SystemClock;
use serde_json::{Map, Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().next_back().ok_or("give a URL")?;
    let signer = Arc::new(Signer::generate(&mut rand::rng())?);
    let tokens = Arc::new(SignedTokens::new(signer, "conformance", &["operator"], 60));
    let client = CloudClient::new("conformance", url, tokens, Arc::new(SystemClock), ClientConfig::default())?;
    for tool in client.list_tools().await? {
        match client.call_json(&tool.name, arguments(&tool.input_schema)).await {
            Ok(_) | Err(CallError::Protocol { .. }) => {}
            Err(error) => eprintln!("{}: {error}", tool.name),
        }
    }
    Ok(())
}

/// Something for each required argument.
fn arguments(schema: &Value) -> Value {
    let mut arguments = Map::new();
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let value = match schema["properties"][name]["type"].as_str() {
            Some("number" | "integer") => json!(5),
            Some("boolean") => json!(true),
            _ => json!("text"),
        };
        arguments.insert(name.to_owned(), value);
    }
    Value::Object(arguments)
}
