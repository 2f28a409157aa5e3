//! Prints the tools of the contract as a server would list them: for tests that give them to others' programs.

#![allow(clippy::print_stdout, reason = "it prints")]

use serde_json::{Value, json};

fn main() {
    let listed = |tool: &cloud::contract::ToolSpec| {
        json!({ "name": tool.name, "description": tool.description, "inputSchema": *tool.input_schema,
                "outputSchema": *tool.output_schema })
    };
    println!("{}", Value::Array(cloud::contract::catalog().iter().map(listed).collect()));
}
