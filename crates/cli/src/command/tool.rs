//! `mcp tool list|call CLOUD …`: the tools of a cloud, over the Model Context Protocol, as any agent would call them.

use domain::Problem;
use serde_json::{Map, Value};

use super::Context;
use crate::output;
use crate::serve::local_cloud;

const EXAMPLES: &str = "\
Examples:
  mcp tool list
  mcp tool call local get_quotas --output json
  mcp tool call local get_health region=us-east
  mcp tool token local --role viewer    for an MCP client of your own";

/// Call the tools of a cloud.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Command {
    /// List the tools of a cloud.
    List(List),
    /// Call a tool.
    Call(Call),
    /// Print a token with which another MCP client can call a cloud's tools.
    Token(Token),
}

/// `mcp tool token local --role viewer`
#[derive(Debug, clap::Args)]
pub struct Token {
    /// The cloud.
    pub cloud: String,
    /// What its bearer may do: viewer reads, operator does all.
    #[arg(long, value_parser = ["viewer", "operator"], default_value = "viewer")]
    pub role: String,
    /// Minutes for which it is valid.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1440))]
    pub minutes: u32,
}

/// `mcp tool list local`
#[derive(Debug, clap::Args)]
pub struct List {
    /// The cloud; all of them when left out.
    pub cloud: Option<String>,
}

/// `mcp tool call local get_quotas region=us-east --output json`
#[derive(Debug, clap::Args)]
pub struct Call {
    /// The cloud.
    pub cloud: String,
    /// The tool.
    pub tool: String,
    /// Arguments as key=value; a value that is JSON is taken as JSON, anything else as text.
    #[arg(value_name = "KEY=VALUE")]
    pub arguments: Vec<String>,
    /// All arguments as one JSON object.
    #[arg(long, value_name = "JSON", conflicts_with = "arguments")]
    pub json: Option<String>,
}

pub async fn run(command: Command, context: &Context) -> Result<(), Problem> {
    match command {
        Command::List(list) => {
            // This installation has one cloud, so that all of them are that one.
            let cloud = list.cloud.unwrap_or_else(|| local_cloud::LOCAL.to_owned());
            let tools = local_cloud::connect(context, &cloud)?.list_tools().await.map_err(Problem::from)?;
            context.output.show(&tools, |tools| {
                let rows = tools.iter().map(|tool| [cloud.clone(), tool.name.clone(), tool.description.clone()]);
                output::table(["CLOUD", "TOOL", "WHAT IT DOES"], rows)
            })
        }
        Command::Token(token) => {
            let issued = local_cloud::issue_token(context, &token.cloud, &token.role, token.minutes * 60)?;
            context.output.show(&issued, |issued| issued.token.clone())?;
            context.output.say(&format!("Show it to {} as 'Authorization: Bearer …'.", issued.url));
            Ok(())
        }
        Command::Call(call) => {
            let arguments = arguments(&call)?;
            let client = local_cloud::connect(context, &call.cloud)?;
            let envelope = client.call_json(&call.tool, arguments).await.map_err(Problem::from)?;
            context.output.show(&envelope, |envelope| serde_json::to_string_pretty(envelope).unwrap_or_default())?;
            envelope.error.map_or(Ok(()), Err)
        }
    }
}

fn arguments(call: &Call) -> Result<Value, Problem> {
    if let Some(text) = &call.json {
        let value: Value = serde_json::from_str(text)
            .map_err(|e| Problem::invalid(format!("--json does not parse: {e}")).next("give one JSON object"))?;
        return if value.is_object() {
            Ok(value)
        } else {
            Err(Problem::invalid("--json is no object").next("give one JSON object"))
        };
    }
    let mut map = Map::new();
    for argument in &call.arguments {
        let (key, value) = argument.split_once('=').ok_or_else(|| {
            Problem::invalid(format!("{argument:?} is not key=value")).next("write arguments like region=us-east")
        })?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        if map.insert(key.to_owned(), value).is_some() {
            return Err(Problem::invalid(format!("{key} is given twice")).next("give each argument once"));
        }
    }
    Ok(Value::Object(map))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(items: &[&str], json: Option<&str>) -> Result<Value, Problem> {
        let arguments = items.iter().map(|item| (*item).to_owned()).collect();
        super::arguments(&Call { cloud: "local".into(), tool: "x".into(), arguments, json: json.map(str::to_owned) })
    }

    #[test]
    fn arguments_are_text_or_json() {
        let parsed = parse(&["region=us-east", "size=3", "dry_run=true", "remove=[\"a\"]"], None).expect("all valid");
        assert_eq!(parsed, serde_json::json!({ "region": "us-east", "size": 3, "dry_run": true, "remove": ["a"] }));
        assert_eq!(parse(&[], Some("{\"a\":1}")).expect("an object"), serde_json::json!({ "a": 1 }));
        for (items, json) in [(&["region"][..], None), (&["a=1", "a=2"], None), (&[], Some("[1]")), (&[], Some("{"))] {
            assert!(parse(items, json).is_err(), "{items:?} {json:?}");
        }
    }
}
