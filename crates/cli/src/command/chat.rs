//! `mcp chat MODEL [MESSAGE]`: a conversation through the gateway, streamed; one answer when a message is given.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use domain::text::printable_lines;
use domain::{Kind, Problem};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Context;
use crate::{output, running, secret_file};

const EXAMPLES: &str = "\
Examples:
  mcp chat demo
  mcp chat demo 'Tell me a story about a ship.'
  mcp chat demo --temperature 0 --output json 'What is mcp?'";

/// `mcp chat demo`, or `mcp chat demo 'Tell me a story.'`
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The model, such as demo or demo:1.0.
    pub model: String,
    /// What to say; without it a conversation begins.
    pub message: Option<String>,
    /// What the model is told first.
    #[arg(long)]
    pub system: Option<String>,
    /// Most tokens of one answer.
    #[arg(long, default_value_t = 256)]
    pub max_tokens: u32,
    /// 0 always gives the same answer.
    #[arg(long, default_value_t = 0.7)]
    pub temperature: f32,
}

#[derive(Debug, Clone, Serialize)]
struct Message {
    role: &'static str,
    content: String,
}

pub async fn run(args: Args, context: &Context) -> Result<(), Problem> {
    let conversation = Conversation::new(&args, context)?;
    let mut messages: Vec<Message> =
        args.system.iter().map(|text| Message { role: "system", content: text.clone() }).collect();
    if let Some(message) = args.message.clone() {
        messages.push(Message { role: "user", content: message });
        let answer = conversation.answer(&messages).await?;
        return if context.output.format == output::Format::Json {
            context.output.show(&json!({ "model": args.model, "answer": answer }), |_| String::new())
        } else {
            output::line("")
        };
    }
    while let Some(line) = prompt()? {
        messages.push(Message { role: "user", content: line });
        let content = conversation.answer(&messages).await?;
        output::line("")?;
        messages.push(Message { role: "assistant", content });
    }
    Ok(())
}

/// The next line that was typed; nothing at the end of the input.
fn prompt() -> Result<Option<String>, Problem> {
    loop {
        if std::io::stdin().is_terminal() {
            let mut stderr = anstream::stderr();
            let _ = write!(stderr, "> ").and_then(|()| stderr.flush());
        }
        let mut line = String::new();
        let count = std::io::stdin()
            .lock()
            .read_line(&mut line)
            .map_err(|e| Problem::internal(format!("standard input: {e}")))?;
        if count == 0 {
            return Ok(None);
        }
        if !line.trim().is_empty() {
            return Ok(Some(line.trim().to_owned()));
        }
    }
}

struct Conversation<'a> {
    http: reqwest::Client,
    url: String,
    key: String,
    args: (&'a str, u32, f32),
    quiet: bool,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Deserialize)]
struct ErrorDetail {
    message: String,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<ChunkChoice>,
    error: Option<ErrorDetail>,
}

#[derive(Deserialize)]
struct ChunkChoice {
    delta: Delta,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

impl<'a> Conversation<'a> {
    fn new(args: &'a Args, context: &Context) -> Result<Self, Problem> {
        let running = running::find(&context.data_dir)?.ok_or_else(|| {
            Problem::new(Kind::Unavailable, "no mcp runs over this data folder").next("start it with 'mcp up'")
        })?;
        let key = match context.environment.get("MCP_API_KEY") {
            Some(key) => key.to_owned(),
            None => secret_file::read(&context.data_dir.user_key())?.ok_or_else(|| {
                Problem::new(Kind::Unauthenticated, "there is no key to show to the gateway")
                    .next("make one with 'mcp key create' and set MCP_API_KEY")
            })?,
        };
        let http = reqwest::Client::builder().build().map_err(|e| Problem::internal(e.to_string()))?;
        let url = format!("http://{}/v1/chat/completions", running.listen.gateway);
        let quiet = context.output.format == output::Format::Json;
        Ok(Self { http, url, key, args: (&args.model, args.max_tokens, args.temperature), quiet })
    }

    /// Asks, writes the answer as it comes, and returns the whole of it.
    async fn answer(&self, messages: &[Message]) -> Result<String, Problem> {
        let (model, max_tokens, temperature) = self.args;
        let body = json!({ "model": model, "messages": messages, "max_tokens": max_tokens, "temperature": temperature, "stream": true });
        let response =
            self.http.post(&self.url).bearer_auth(&self.key).json(&body).send().await.map_err(|e| unreachable(&e))?;
        if !response.status().is_success() {
            return Err(refused(response).await);
        }
        let (mut whole, mut buffer, mut bytes) = (String::new(), Vec::new(), response.bytes_stream());
        while let Some(part) = bytes.next().await {
            buffer.extend_from_slice(&part.map_err(|e| unreachable(&e))?);
            while let Some(end) = buffer.windows(2).position(|pair| pair == b"\n\n") {
                let frame: Vec<u8> = buffer.drain(..end + 2).collect();
                let text = content_of(&frame)?;
                if !self.quiet {
                    output::piece(&printable_lines(&text, usize::MAX))?;
                }
                whole.push_str(&text);
            }
        }
        Ok(whole)
    }
}

/// The text that one server-sent event carries.
fn content_of(frame: &[u8]) -> Result<String, Problem> {
    let frame = String::from_utf8_lossy(frame);
    let Some(data) = frame.lines().find_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]") else {
        return Ok(String::new());
    };
    let chunk: Chunk =
        serde_json::from_str(data).map_err(|e| Problem::internal(format!("the stream cannot be read: {e}")))?;
    match chunk.error {
        Some(error) => Err(Problem::new(Kind::Unavailable, error.message).next("ask again")),
        None => Ok(chunk.choices.into_iter().filter_map(|choice| choice.delta.content).collect()),
    }
}

async fn refused(response: reqwest::Response) -> Problem {
    let status = response.status();
    let kind = Kind::ALL.into_iter().find(|kind| kind.http_status() == status.as_u16()).unwrap_or(Kind::Internal);
    let cause = match response.json::<ErrorBody>().await {
        Ok(body) => body.error.message,
        Err(_) => format!("the gateway answered {status}"),
    };
    Problem::new(kind, cause).next(format!("'mcp explain {}' says more", kind.code()))
}

fn unreachable(_error: &reqwest::Error) -> Problem {
    Problem::new(Kind::Unavailable, "the gateway does not answer").next("see 'mcp status' and 'mcp doctor'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_give_their_text() {
        let text = |frame: &str| content_of(frame.as_bytes());
        assert_eq!(text("data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n"), Ok("hi".to_owned()));
        assert_eq!(text("data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"), Ok(String::new()));
        assert_eq!(text("data: [DONE]\n\n"), Ok(String::new()));
        assert_eq!(text(": ping\n\n"), Ok(String::new()));
        assert_eq!(text("data: {\"error\":{\"message\":\"lost\"}}\n\n").expect_err("an error").cause, "lost");
        assert!(text("data: {\n\n").is_err());
    }
}
