//! What chat and completion requests have in common, checked and made ready for the engine.

use std::collections::BTreeMap;
use std::time::Instant;

use axum::http::{HeaderMap, HeaderValue};
use domain::Problem;
use llm::openai::{OneOrMany, ResponseFormat};
use tokio::sync::mpsc;

use super::error::ApiError;
use crate::constraint::Form;
use crate::engine::Engine;
use crate::engine::prefix::{Salt, Token};
use crate::engine::request::{Event, Generation, Job};
use crate::engine::sampling::{Sampler, SamplingParams};

/// The most stop texts, and the longest: what is held back and searched for is bounded.
const MOST_STOPS: usize = 16;
const LONGEST_STOP_BYTES: usize = 1_024;
/// The most tokens with a bias.
const MOST_BIASES: usize = 1_024;
/// OpenAI's bound on `top_logprobs`.
const MOST_TOP_LOGPROBS: u8 = 20;
/// Events beside the deltas: the last text, and the end.
const OTHER_EVENTS: usize = 4;

/// Options of a request, as sent.
#[derive(Debug, Default)]
pub struct Options<'a> {
    /// The most tokens to generate.
    pub max_tokens: Option<u32>,
    /// How many answers.
    pub n: Option<u32>,
    /// How tokens are drawn.
    pub params: SamplingParams,
    /// Makes the draw repeatable.
    pub seed: Option<i64>,
    /// Added to tokens' logits.
    pub logit_bias: Option<&'a BTreeMap<String, f32>>,
    /// What ends the answer.
    pub stop: Option<&'a OneOrMany>,
    /// How many alternatives come with each log probability; `None` leaves them out.
    pub logprobs: Option<u8>,
    /// The form of the answer.
    pub response_format: Option<&'a ResponseFormat>,
    /// The grammar of the answer.
    pub grammar: Option<&'a str>,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whose prompt it is.
    pub salt: Salt,
}

/// The header in which the gateway says whose prompt a request brings.
const SALT_HEADER: &str = "x-mcp-cache-salt";

/// Whose prompt a request brings. One that cannot be kept is refused: to go without it would share the prompt.
pub fn salt(headers: &HeaderMap) -> Result<Salt, Problem> {
    let text = headers.get(SALT_HEADER).map(HeaderValue::as_bytes);
    Salt::new(text).ok_or_else(|| {
        Problem::invalid(format!("{SALT_HEADER} is longer than {} bytes", Salt::LONGEST_BYTES)).at(SALT_HEADER)
    })
}

/// Checks `options`, and hands `prompt` to the engine. The answer comes through the receiver.
///
/// `field` is where the prompt came from.
pub async fn submit(
    engine: &Engine,
    field: &str,
    prompt: Vec<Token>,
    options: &Options<'_>,
    arrived: Instant,
) -> Result<mpsc::Receiver<Event>, ApiError> {
    let context_tokens = engine.settings.context_tokens;
    let room = (context_tokens as usize).saturating_sub(prompt.len());
    if prompt.is_empty() {
        return Err(Problem::invalid("the prompt is empty").at(field).into());
    }
    if room == 0 {
        return Err(ApiError::context_length(field, prompt.len(), context_tokens));
    }
    let params = params(options)?;
    params.check(engine.model.vocabulary())?;
    let stops = stops(options.stop)?;
    let max_tokens = max_tokens(options, room)?;
    let logprobs = logprobs(options)?;
    // All that is quick is checked before the work of compiling.
    let constraint = match Form::of(options.response_format, options.grammar)? {
        Some(form) => Some(engine.compiler.compile(form).await?),
        None => None,
    };
    let sampler = Sampler::new(&engine.model, &params, constraint, context_tokens);
    let capacity = if options.stream { max_tokens + OTHER_EVENTS } else { OTHER_EVENTS };
    let (reply, events) = mpsc::channel(capacity);
    let stream = options.stream;
    let repeatable = options.seed.is_some();
    let salt = options.salt.clone();
    let generation =
        Generation { prompt, salt, max_tokens, stops, sampler, logprobs, repeatable, stream, arrived, reply };
    engine.submit(Job::Generate(Box::new(generation)))?;
    Ok(events)
}

fn params(options: &Options<'_>) -> Result<SamplingParams, Problem> {
    if options.n.is_some_and(|n| n != 1) {
        return Err(Problem::invalid("only one answer a request is supported")
            .next("leave n out, or 1, and ask again")
            .at("n"));
    }
    let mut params = options.params.clone();
    params.seed = options.seed.map_or_else(rand::random, fold_seed);
    if options.logit_bias.is_some_and(|biases| biases.len() > MOST_BIASES) {
        return Err(Problem::invalid("too many tokens are biased")
            .next(format!("give at most {MOST_BIASES}"))
            .at("logit_bias"));
    }
    for (token, &bias) in options.logit_bias.into_iter().flatten() {
        let id = token.parse::<Token>().map_err(|_| {
            Problem::invalid(format!("{token:?} is no token id")).next("use token ids as keys").at("logit_bias")
        })?;
        params.logit_bias.push((id, bias));
    }
    Ok(params)
}

/// llama.cpp takes 32 bits, and the largest number as "any".
const fn fold_seed(seed: i64) -> u32 {
    let folded = (seed ^ (seed >> 32)) as u32;
    if folded == u32::MAX { 0 } else { folded }
}

fn stops(stop: Option<&OneOrMany>) -> Result<Vec<String>, Problem> {
    let stops = stop.cloned().map(OneOrMany::into_vec).unwrap_or_default();
    if stops.len() > MOST_STOPS || stops.iter().any(|stop| stop.len() > LONGEST_STOP_BYTES) {
        return Err(Problem::invalid("too many or too long stop texts")
            .next(format!("give at most {MOST_STOPS}, of at most {LONGEST_STOP_BYTES} bytes each"))
            .at("stop"));
    }
    Ok(stops)
}

fn max_tokens(options: &Options<'_>, room: usize) -> Result<usize, Problem> {
    match options.max_tokens {
        Some(0) => Err(Problem::invalid("max_tokens is 0").next("give at least 1").at("max_tokens")),
        Some(asked) => Ok(room.min(asked as usize)),
        None => Ok(room),
    }
}

fn logprobs(options: &Options<'_>) -> Result<Option<usize>, Problem> {
    match options.logprobs {
        Some(top) if top > MOST_TOP_LOGPROBS => {
            Err(Problem::invalid(format!("top_logprobs is {top}")).next("give 0 to 20").at("top_logprobs"))
        }
        top => Ok(top.map(usize::from)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_fold_into_32_bits_and_never_mean_any() {
        assert_eq!(fold_seed(7), 7);
        assert_eq!(fold_seed(7), fold_seed(7));
        assert_ne!(fold_seed(1 << 40), fold_seed(1 << 41));
        assert_eq!(fold_seed(i64::from(u32::MAX)), 0);
    }

    #[test]
    fn bounds_are_told() {
        assert!(params(&Options { n: Some(2), ..Options::default() }).is_err());
        assert!(max_tokens(&Options { max_tokens: Some(0), ..Options::default() }, 9).is_err());
        assert_eq!(max_tokens(&Options { max_tokens: Some(99), ..Options::default() }, 9), Ok(9));
        assert!(logprobs(&Options { logprobs: Some(21), ..Options::default() }).is_err());
        assert!(stops(Some(&OneOrMany::Many(vec!["a".into(); 17]))).is_err());
        let biases: BTreeMap<_, _> = (0..2_000).map(|token: i32| (token.to_string(), 1.0)).collect();
        let many = params(&Options { logit_bias: Some(&biases), ..Options::default() }).expect_err("too many");
        assert_eq!(many.field.as_deref(), Some("logit_bias"));
        let bias = BTreeMap::from([("x".to_owned(), 1.0)]);
        assert!(params(&Options { logit_bias: Some(&bias), ..Options::default() }).is_err());
    }
}
