//! `mcp config show|check`: what is in force and where it came from; whether it is valid.

use domain::Problem;
use serde::Serialize;

use super::Context;
use crate::config::env;
use crate::output;

const EXAMPLES: &str = "\
Examples:
  mcp config show
  mcp config check --config ./mcp.toml";

/// Show or check the configuration.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    /// Every value in force, and where it came from.
    Show,
    /// Say whether the configuration is valid.
    Check,
}

#[derive(Debug, Serialize)]
struct Shown {
    values: Vec<ShownValue>,
    environment: Vec<ShownVariable>,
}

#[derive(Debug, Serialize)]
struct ShownValue {
    path: String,
    value: toml::Value,
    source: String,
}

#[derive(Debug, Serialize)]
struct ShownVariable {
    name: &'static str,
    field: Option<&'static str>,
    purpose: &'static str,
}

pub fn run(command: &Command, context: &Context) -> Result<(), Problem> {
    match command {
        Command::Show => show(context),
        // An invalid configuration has been refused before this point.
        Command::Check => {
            context.output.show(&serde_json::json!({ "valid": true }), |_| "the configuration is valid".to_owned())
        }
    }
}

fn show(context: &Context) -> Result<(), Problem> {
    let leaves = context.layered.leaves().into_iter();
    let values = leaves.map(|(path, value, source)| ShownValue { path, value, source: source.to_string() }).collect();
    let fields = env::FIELDS.iter().map(|&(name, field, purpose)| ShownVariable { name, field: Some(field), purpose });
    let others = env::OTHERS.iter().map(|&(name, purpose)| ShownVariable { name, field: None, purpose });
    let shown = Shown { values, environment: fields.chain(others).collect() };
    context.output.show(&shown, |shown| {
        let rows = shown.values.iter().map(|v| [v.path.clone(), short(&v.value), v.source.clone()]);
        let variables = shown
            .environment
            .iter()
            .map(|v| [v.name.to_owned(), v.field.unwrap_or("-").to_owned(), v.purpose.to_owned()]);
        format!(
            "{}\n\n{}",
            output::table(["FIELD", "VALUE", "FROM"], rows),
            output::table(["VARIABLE", "SETS", "MEANING"], variables)
        )
    })
}

/// Longest value that a row holds, in characters; JSON holds every value whole.
const VALUE_CHARS_MAX: usize = 60;

fn short(value: &toml::Value) -> String {
    let text = value.to_string();
    match value {
        toml::Value::Array(items) if text.chars().count() > VALUE_CHARS_MAX => {
            format!("{} entries (--output json shows them)", items.len())
        }
        _ => text,
    }
}
