//! Vectors from the model's last hidden states, in a context of their own so that answers are not disturbed.
//!
//! Token states are computed chunk by chunk between the steps of answers, pooled (the mean over all tokens unless the
//! GGUF file names another pooling), and scaled to length one.

use std::num::NonZeroU32;

use domain::Problem;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{LlamaContextParams, LlamaPoolingType};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;

use super::model::{LoadError, Model, Pooling};
use super::request::Embedding;

/// The context that computes embeddings.
pub struct Embedder<'m> {
    context: LlamaContext<'m>,
    batch: LlamaBatch<'static>,
    chunk_tokens: usize,
}

/// A request that is being worked on.
pub struct EmbeddingWork {
    embedding: Embedding,
    vectors: Vec<Vec<f32>>,
    pool: Pool,
    done_tokens: usize,
}

impl EmbeddingWork {
    /// Nothing done yet.
    pub fn new(embedding: Embedding, pooling: Pooling) -> Self {
        Self { embedding, vectors: Vec::new(), pool: Pool::new(pooling), done_tokens: 0 }
    }

    /// Whether the client has left.
    pub fn is_abandoned(&self) -> bool {
        self.embedding.reply.is_closed()
    }

    /// Answers with `problem`.
    pub fn fail(self, problem: Problem) {
        // Whoever asked may have left.
        let _ = self.embedding.reply.send(Err(problem));
    }
}

impl<'m> Embedder<'m> {
    /// A context for inputs of up to `context_tokens`.
    pub fn new(model: &'m Model, context_tokens: u32, chunk_tokens: u32, threads: i32) -> Result<Self, LoadError> {
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(context_tokens))
            .with_n_batch(chunk_tokens)
            .with_n_ubatch(chunk_tokens)
            .with_n_threads(threads)
            .with_n_threads_batch(threads)
            .with_embeddings(true)
            .with_pooling_type(LlamaPoolingType::None);
        let context = model
            .llama
            .new_context(&model.backend, params)
            .map_err(|error| LoadError::Context { tokens: u64::from(context_tokens), reason: error.to_string() })?;
        let chunk_tokens = chunk_tokens as usize;
        Ok(Self { context, batch: LlamaBatch::new(chunk_tokens, 1), chunk_tokens })
    }

    /// Computes one chunk of `work`. Gives it back unless it is finished and answered. Returns the tokens computed too.
    pub fn step(&mut self, mut work: EmbeddingWork) -> (Option<EmbeddingWork>, usize) {
        let Some(input) = work.embedding.inputs.get(work.vectors.len()) else {
            let _ = work.embedding.reply.send(Ok(work.vectors));
            return (None, 0);
        };
        let until = input.len().min(work.done_tokens + self.chunk_tokens);
        let chunk = input.get(work.done_tokens..until).unwrap_or_default();
        if let Err(problem) = self.compute(chunk, work.done_tokens, &mut work.pool) {
            work.fail(problem);
            return (None, 0);
        }
        let computed = chunk.len();
        work.done_tokens = until;
        if until == input.len() {
            work.vectors.push(work.pool.take());
            work.done_tokens = 0;
        }
        (Some(work), computed)
    }

    fn compute(&mut self, chunk: &[i32], first_position: usize, pool: &mut Pool) -> Result<(), Problem> {
        let failed = |error: &dyn std::fmt::Display| Problem::internal(format!("embedding failed: {error}"));
        if first_position == 0 {
            self.context.clear_kv_cache();
        }
        self.batch.clear();
        for (position, &token) in (first_position..).zip(chunk) {
            let position = i32::try_from(position).map_err(|e| failed(&e))?;
            self.batch.add(LlamaToken(token), position, &[0], true).map_err(|e| failed(&e))?;
        }
        self.context.decode(&mut self.batch).map_err(|e| failed(&e))?;
        for index in 0..self.batch.n_tokens() {
            pool.add(self.context.embeddings_ith(index).map_err(|e| failed(&e))?);
        }
        Ok(())
    }
}

/// Makes one vector of many.
#[derive(Debug)]
struct Pool {
    pooling: Pooling,
    sum: Vec<f64>,
    count: usize,
}

impl Pool {
    const fn new(pooling: Pooling) -> Self {
        Self { pooling, sum: Vec::new(), count: 0 }
    }

    fn add(&mut self, state: &[f32]) {
        let first = self.count == 0;
        self.count += 1;
        match self.pooling {
            Pooling::First if !first => {}
            Pooling::First | Pooling::Last => self.sum = state.iter().copied().map(f64::from).collect(),
            Pooling::Mean => {
                self.sum.resize(state.len(), 0.0);
                self.sum.iter_mut().zip(state).for_each(|(sum, &value)| *sum += f64::from(value));
            }
        }
    }

    /// The pooled vector at length one (direction is all that a mean and a sum differ in), and begins anew.
    fn take(&mut self) -> Vec<f32> {
        let length = self.sum.iter().map(|value| value * value).sum::<f64>().sqrt();
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        self.count = 0;
        std::mem::take(&mut self.sum).into_iter().map(|value| (value * scale) as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poolings_differ_and_vectors_have_length_one() {
        let run = |pooling| {
            let mut pool = Pool::new(pooling);
            pool.add(&[3.0, 0.0]);
            pool.add(&[0.0, 4.0]);
            pool.take()
        };
        assert_eq!(run(Pooling::First), [1.0, 0.0]);
        assert_eq!(run(Pooling::Last), [0.0, 1.0]);
        assert_eq!(run(Pooling::Mean), [0.6, 0.8]);
        assert_eq!(Pool::new(Pooling::Mean).take(), Vec::<f32>::new());
    }
}
