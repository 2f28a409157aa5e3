//! `mcp explain CODE`: what an error code means, and what to do.

use domain::{Kind, Problem};
use serde::Serialize;

use super::Context;

const EXAMPLES: &str = "\
Examples:
  mcp explain MCP0008";

/// `mcp explain MCP0008`
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The code, such as MCP0008.
    pub code: String,
}

#[derive(Debug, Serialize)]
struct Explanation {
    code: &'static str,
    kind: Kind,
    http_status: u16,
    retryable: bool,
    meaning: &'static str,
    next_step: &'static str,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Problem> {
    let code = args.code.to_ascii_uppercase();
    let kind = Kind::ALL.into_iter().find(|kind| kind.code() == code).ok_or_else(|| {
        let last = Kind::ALL.map(Kind::code)[Kind::ALL.len() - 1];
        Problem::not_found(format!("{code} is not a code of mcp"))
            .next(format!("codes run from {} to {last}", Kind::ALL[0].code()))
    })?;
    let (meaning, next_step) = text(kind);
    let explanation = Explanation {
        code: kind.code(),
        kind,
        http_status: kind.http_status(),
        retryable: kind.is_retryable(),
        meaning,
        next_step,
    };
    context.output.show(&explanation, |e| {
        let again = if e.retryable { "may be repeated unchanged" } else { "will fail again unless something changes" };
        format!("{} (HTTP {}): {}\nThe same request {again}.\nNext: {}", e.code, e.http_status, e.meaning, e.next_step)
    })
}

const TIMEOUT_NEXT: &str =
    "repeat it: with its idempotency_token a tool call takes effect once; of other requests see 'mcp status' first";

const fn text(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Invalid => ("The input does not parse or breaks a rule.", "correct the field that the message names"),
        Kind::Unauthenticated => ("No valid key or token came with the request.", "make a key with 'mcp key create'"),
        Kind::Forbidden => ("The caller is known and may not do this.", "use a key or a role that allows it"),
        Kind::NotFound => ("The thing named does not exist.", "list what exists, for example with 'mcp model list'"),
        Kind::Conflict => {
            ("It exists already, is in use, or has changed meanwhile.", "read it again, then repeat or rename")
        }
        Kind::TooLarge => ("The request is larger than the limit.", "send less, or split it"),
        Kind::Overloaded => {
            ("Too many requests, or too much work waiting.", "wait as long as Retry-After says, or add replicas")
        }
        Kind::NoCapacity => (
            "No place satisfies the constraints, or capacity is used up.",
            "repeat it later, or see 'mcp deploy --dry-run' for why each place lost",
        ),
        Kind::Unsupported => ("This implementation cannot do it.", "read the reason in the message; use another cloud"),
        Kind::Unavailable => ("A service that is needed does not answer.", "run 'mcp doctor'"),
        Kind::Timeout => ("It took longer than allowed; it may still have taken effect.", TIMEOUT_NEXT),
        Kind::OverBudget => (
            "It would cost more than the caller allows.",
            "raise max_cost_usd, or ask for less; the token may stay the same",
        ),
        Kind::Internal => ("A fault of mcp itself.", "look into the log ('mcp doctor' names it) and report it"),
    }
}
