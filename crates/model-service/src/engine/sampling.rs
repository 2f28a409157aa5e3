//! How the next token is drawn: checked parameters, and llama.cpp's samplers made from them.

use domain::Problem;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::logit_bias::LlamaLogitBias;

use super::model::Model;
use super::prefix::Token;
use super::watch::Watch;
use crate::constraint::matcher::Constraint;

/// What a request may say about the draw, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingParams {
    /// 0 takes the likeliest token always.
    pub temperature: f32,
    /// The share of probability that the draw is from; 1 is all.
    pub top_p: f32,
    /// How many tokens the draw is from; 0 is all.
    pub top_k: i32,
    /// The least probability, as a share of the likeliest token's; 0 is none.
    pub min_p: f32,
    /// Subtracted from the logits of tokens that the answer holds.
    pub presence_penalty: f32,
    /// Subtracted for each time that the answer holds them.
    pub frequency_penalty: f32,
    /// Added to tokens' logits.
    pub logit_bias: Vec<(Token, f32)>,
    /// Makes the draw repeatable.
    pub seed: u32,
    /// Whether tokens that end an answer are never drawn.
    pub ignore_end: bool,
}

impl Default for SamplingParams {
    /// OpenAI's defaults, with seed 0.
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: 0,
            ignore_end: false,
        }
    }
}

impl SamplingParams {
    /// Refuses numbers outside OpenAI's ranges, by the field's name.
    pub fn check(&self, vocabulary: usize) -> Result<(), Problem> {
        within("temperature", self.temperature, 0.0, 2.0)?;
        within("top_p", self.top_p, 0.0, 1.0)?;
        within("min_p", self.min_p, 0.0, 1.0)?;
        within("presence_penalty", self.presence_penalty, -2.0, 2.0)?;
        within("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?;
        if self.top_k < 0 {
            return Err(Problem::invalid("top_k is negative").next("give 0 for all tokens, or a count").at("top_k"));
        }
        for &(token, bias) in &self.logit_bias {
            within("logit_bias", bias, -100.0, 100.0)?;
            if usize::try_from(token).is_ok_and(|token| token < vocabulary) {
                continue;
            }
            return Err(Problem::invalid(format!("{token} is no token of this model")).at("logit_bias"));
        }
        Ok(())
    }
}

fn within(field: &str, value: f32, least: f32, most: f32) -> Result<(), Problem> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Problem::invalid(format!("{field} is {value}")).next(format!("give a number from {least} to {most}")).at(field))
}

/// The samplers of one request.
///
/// Without a form llama.cpp's chain does all. With one, the tokens that may come are chosen first, and the chain sees
/// those alone: filters such as top-k and top-p then choose among them, as llama.cpp's own grammars do.
pub struct Sampler {
    constraint: Option<Constraint>,
    /// Added to logits, here when there is a form: llama.cpp's sampler of biases wants the whole vocabulary in order.
    biases: Vec<LlamaLogitBias>,
    chain: LlamaSampler,
}

/// What a draw gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Drawn {
    /// A token, and whether the form is complete with it.
    Token {
        /// The token.
        token: Token,
        /// Nothing can follow it.
        completes: bool,
    },
    /// Nothing can follow what is there: the form is complete.
    Complete,
    /// The answer cannot go on.
    Refused(Problem),
}

impl Sampler {
    /// Samplers for `params` (already checked) and the form that the answer must have.
    ///
    /// The order is llama.cpp's own: form, bias, penalties, top-k, top-p, min-p, temperature, draw.
    pub fn new(model: &Model, params: &SamplingParams, constraint: Option<Constraint>, context_tokens: u32) -> Self {
        let mut chain = Vec::new();
        let n_vocab = model.llama.n_vocab();
        let ends = model.end_tokens().iter().filter(|_| params.ignore_end).map(|&token| (token, f32::NEG_INFINITY));
        let biases: Vec<_> = params
            .logit_bias
            .iter()
            .copied()
            .chain(ends)
            .map(|(token, bias)| LlamaLogitBias::new(LlamaToken(token), bias))
            .collect();
        if !biases.is_empty() && constraint.is_none() {
            chain.push(LlamaSampler::logit_bias(n_vocab, &biases));
        }
        if params.presence_penalty != 0.0 || params.frequency_penalty != 0.0 {
            let last = i32::try_from(context_tokens).unwrap_or(i32::MAX);
            chain.push(LlamaSampler::penalties(n_vocab, last, 1.0, params.frequency_penalty, params.presence_penalty));
        }
        chain.extend(Self::draw(params));
        Self { constraint, biases, chain: LlamaSampler::chain_simple(chain) }
    }

    /// The form that the answer must have, whose part of each draw costs time.
    pub const fn form(&self) -> Option<&Constraint> {
        self.constraint.as_ref()
    }

    fn draw(params: &SamplingParams) -> Vec<LlamaSampler> {
        if params.temperature == 0.0 {
            return vec![LlamaSampler::greedy()];
        }
        let mut samplers = Vec::new();
        if params.top_k > 0 {
            samplers.push(LlamaSampler::top_k(params.top_k));
        }
        if params.top_p < 1.0 {
            samplers.push(LlamaSampler::top_p(params.top_p, 1));
        }
        if params.min_p > 0.0 {
            samplers.push(LlamaSampler::min_p(params.min_p, 1));
        }
        if params.temperature != 1.0 {
            samplers.push(LlamaSampler::temp(params.temperature));
        }
        samplers.push(LlamaSampler::dist(params.seed));
        samplers
    }

    /// Draws the token that follows output `index` of the last decode, and remembers it.
    pub fn sample(&mut self, context: &LlamaContext<'_>, index: i32, watch: &Watch) -> Drawn {
        let Some(constraint) = &mut self.constraint else {
            return Drawn::Token { token: self.chain.sample(context, index).0, completes: false };
        };
        if constraint.is_complete() {
            return Drawn::Complete;
        }
        let handle = constraint.handle();
        let allowed = match watch.during(handle.clone(), || constraint.allowed()) {
            Ok(allowed) => allowed,
            Err(problem) => return Drawn::Refused(problem),
        };
        let mut candidates = context.token_data_array_ith(index);
        candidates.data.retain(|candidate| allowed.has(candidate.id().0));
        for bias in &self.biases {
            // Candidates come in the order of their tokens.
            if let Ok(at) = candidates.data.binary_search_by_key(&bias.token().0, |candidate| candidate.id().0)
                && let Some(candidate) = candidates.data.get_mut(at)
            {
                candidate.set_logit(candidate.logit() + bias.bias());
            }
        }
        if candidates.data.iter().all(|candidate| candidate.logit() == f32::NEG_INFINITY) {
            return Drawn::Refused(constraint.exhausted());
        }
        self.chain.apply(&mut candidates);
        let Some(token) = candidates.selected_token() else { return Drawn::Refused(constraint.exhausted()) };
        if let Err(problem) = watch.during(handle, || constraint.accept(token.0)) {
            return Drawn::Refused(problem);
        }
        self.chain.accept(token);
        Drawn::Token { token: token.0, completes: constraint.is_complete() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_openais() {
        let params = SamplingParams::default();
        assert_eq!(params.check(10), Ok(()));
        let bad = [
            (SamplingParams { temperature: 2.1, ..params.clone() }, "temperature"),
            (SamplingParams { temperature: f32::NAN, ..params.clone() }, "temperature"),
            (SamplingParams { top_p: -0.1, ..params.clone() }, "top_p"),
            (SamplingParams { min_p: 1.5, ..params.clone() }, "min_p"),
            (SamplingParams { top_k: -1, ..params.clone() }, "top_k"),
            (SamplingParams { presence_penalty: 3.0, ..params.clone() }, "presence_penalty"),
            (SamplingParams { frequency_penalty: -3.0, ..params.clone() }, "frequency_penalty"),
            (SamplingParams { logit_bias: vec![(10, 1.0)], ..params.clone() }, "logit_bias"),
            (SamplingParams { logit_bias: vec![(1, 101.0)], ..params }, "logit_bias"),
        ];
        for (params, field) in bad {
            assert_eq!(params.check(10).expect_err(field).field.as_deref(), Some(field));
        }
    }
}
