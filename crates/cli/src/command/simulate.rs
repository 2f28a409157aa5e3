//! `mcp simulate …`: the product's own decisions replayed on traces, beside published rivals. Needs no running mcp.

use domain::Problem;
use simulator::OutputFormat;

use super::Context;
use crate::output::{self, Format};

pub fn run(command: simulator::Command, context: &Context) -> Result<(), Problem> {
    let format = match context.output.format {
        Format::Table => OutputFormat::Text,
        Format::Json => OutputFormat::Json,
    };
    output::line(&simulator::run(command, format)?.to_string())
}
