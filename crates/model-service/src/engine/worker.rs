//! The engine's own thread: the only one that touches llama.cpp's context. It runs all answers together, step by step.

use std::num::NonZeroU32;
use std::time::Instant;

use domain::Problem;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use llm::openai::FinishReason;
use nix::time::{ClockId, clock_gettime};

use super::embedding::{Embedder, EmbeddingWork};
use super::gate::Gate;
use super::load::Load;
use super::model::{LoadError, Model};
use super::prefix::{self, Placement};
use super::request::{Generation, Job};
use super::sampling::Drawn;
use super::share::{Due, Share};
use super::slot::{Progress, Slot};
use super::step::{self, Chunk, Pending};
use super::watch::Watch;
use super::{Settings, logprobs, meter};

/// The most tokens that one step computes: enough to use the processor well on prompts, and few enough that an answer
/// that grows meanwhile does not stutter.
const STEP_TOKENS: u32 = 512;

/// The state of the engine's thread.
pub struct Worker<'m> {
    model: &'m Model,
    settings: Settings,
    context: LlamaContext<'m>,
    batch: LlamaBatch<'static>,
    slots: Vec<Slot>,
    embedder: Option<Embedder<'m>>,
    embedding: Option<EmbeddingWork>,
    arrivals: u64,
    share: Share,
    watch: Watch,
    /// What forms cost in this step, in microseconds.
    forms_us: u64,
}

/// A sequence whose next token can be drawn, and the place of its logits in the batch.
struct Output {
    slot: usize,
    index: i32,
}

impl<'m> Worker<'m> {
    /// Makes the context: `parallel` sequences, each with a cache of its own.
    ///
    /// One cache for all would let prefixes be shared without a copy, but then every step computes attention over the
    /// cells of all sequences, idle ones too: on small models that was measured to cost more than half of the speed.
    pub fn new(model: &'m Model, settings: Settings) -> Result<Self, LoadError> {
        let parallel = settings.parallel;
        let tokens = u64::from(settings.context_tokens) * u64::from(parallel);
        let refused = |reason: String| LoadError::Context { tokens, reason };
        let all = u32::try_from(tokens).map_err(|e| refused(e.to_string()))?;
        let step = STEP_TOKENS.max(parallel);
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(all))
            .with_n_batch(step)
            .with_n_ubatch(step)
            .with_n_seq_max(parallel)
            .with_kv_unified(false)
            .with_n_threads(settings.threads)
            .with_n_threads_batch(settings.threads)
            .with_no_perf(true);
        let context = model.llama.new_context(&model.backend, params).map_err(|e| refused(e.to_string()))?;
        let slots = (0..parallel).map(|_| Slot::default()).collect();
        let batch = LlamaBatch::new(step as usize, 1);
        let share = Share::default();
        let watch = Watch::start().map_err(|error| LoadError::Engine(error.to_string()))?;
        Ok(Self {
            model,
            settings,
            context,
            batch,
            slots,
            embedder: None,
            embedding: None,
            arrivals: 0,
            share,
            watch,
            forms_us: 0,
        })
    }

    /// Works until `gate` is drained.
    pub fn run(&mut self, gate: &Gate, load: &Load) {
        while let Some(jobs) = gate.take(self.running(), self.embedding.is_some()) {
            jobs.into_iter().for_each(|job| self.start(job));
            self.drop_abandoned();
            self.step(load);
            self.embedding_step(load);
            load.step_ended();
        }
    }

    fn running(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_running()).count()
    }

    fn start(&mut self, job: Job) {
        match job {
            Job::Generate(generation) => self.start_generation(*generation),
            Job::Embed(embedding) => self.embedding = Some(EmbeddingWork::new(embedding, self.model.pooling)),
        }
    }

    fn start_generation(&mut self, generation: Generation) {
        let views: Vec<_> = self.slots.iter().map(Slot::view).collect();
        // The gate gives out no more jobs than slots are idle.
        let reusable = if generation.repeatable { &[][..] } else { &generation.prompt };
        let Some(placement) = prefix::place(&views, reusable, &generation.salt) else { return };
        let reused = if self.take_over(placement) { placement.reused } else { 0 };
        self.arrivals += 1;
        // A new form begins level with the one that spent least, so that it neither waits for the others nor goes first.
        let account_us = self.slots.iter().filter_map(Slot::form).map(|form| form.account_us).min().unwrap_or(0);
        if let Some(slot) = self.slots.get_mut(placement.slot) {
            slot.start(generation, reused, self.arrivals, account_us);
        }
    }

    /// Leaves in the slot's cache just the prefix that is reused. False when the cache can keep no part of a sequence
    /// (a recurrent model's): then it is empty.
    fn take_over(&mut self, placement: Placement) -> bool {
        let Placement { slot, donor, reused } = placement;
        let (to, from, until) = (slot as u32, donor as u32, u32::try_from(reused).unwrap_or(u32::MAX));
        if slot == donor {
            let kept = reused > 0 && self.context.clear_kv_cache_seq(Some(to), Some(until), None) == Ok(true);
            return kept || self.clear(to);
        }
        // Sequences have buffers of their own, which llama.cpp copies whole, with the next step.
        let copied = self.context.copy_kv_cache_seq(from as i32, to as i32, None, None).is_ok()
            && self.context.clear_kv_cache_seq(Some(to), Some(until), None) == Ok(true);
        copied || self.clear(to)
    }

    /// Empties a sequence's cache; always false.
    fn clear(&mut self, slot: u32) -> bool {
        if let Err(error) = self.context.clear_kv_cache_seq(Some(slot), None, None) {
            tracing::error!(%error, "sequence is not cleared");
        }
        false
    }

    fn drop_abandoned(&mut self) {
        for slot in &mut self.slots {
            if slot.is_abandoned() {
                slot.abort(None);
                meter::count_request("cancelled");
            }
        }
        if self.embedding.as_ref().is_some_and(EmbeddingWork::is_abandoned) {
            self.embedding = None;
            meter::count_request("cancelled");
        }
    }

    /// One decode over all that runs.
    fn step(&mut self, load: &Load) {
        let started = Instant::now();
        self.forms_us = 0;
        let chunks = self.plan();
        if chunks.is_empty() {
            load.count_step(0, 0, 0);
            return;
        }
        let outputs = self.fill(&chunks);
        if let Err(error) = self.context.decode(&mut self.batch) {
            self.fail_all(&error.to_string());
            return;
        }
        let mut prompt_tokens = 0;
        for chunk in &chunks {
            if let Some(slot) = self.slots.get_mut(chunk.slot) {
                prompt_tokens += slot.note_computed(chunk.tokens);
            }
        }
        for output in &outputs {
            self.draw(output);
        }
        let held: usize = self.slots.iter().filter(|slot| slot.is_running()).map(Slot::computed).sum();
        load.count_step(prompt_tokens as u64, outputs.len() as u64, held as u64);
        self.share.count(micros(started), self.forms_us);
    }

    fn plan(&mut self) -> Vec<Chunk> {
        let mut pending: Vec<Pending> = (self.slots.iter().enumerate())
            .filter_map(|(at, slot)| slot.pending().map(|(tokens, arrival)| Pending { slot: at, tokens, arrival }))
            .collect();
        let due: Vec<Due> = (pending.iter().filter(|pending| pending.tokens == 1))
            .filter_map(|pending| {
                let form = self.slots.get(pending.slot)?.form()?;
                Some(Due { slot: pending.slot, account_us: form.account_us, last_us: form.last_us })
            })
            .collect();
        if !due.is_empty() {
            let others = due.len() < pending.len();
            let out = self.share.sit_out(&due, others);
            pending.retain(|pending| !out.contains(&pending.slot));
        }
        step::plan(&pending, self.context.n_batch() as usize)
    }

    /// Writes the chunks into the batch.
    fn fill(&mut self, chunks: &[Chunk]) -> Vec<Output> {
        self.batch.clear();
        let mut outputs = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let Some(slot) = self.slots.get(chunk.slot) else { continue };
            let whole = slot.pending().is_some_and(|(tokens, _)| tokens == chunk.tokens);
            let (first, tokens) = slot.next_tokens(chunk.tokens);
            for (at, &token) in tokens.iter().enumerate() {
                let wanted = whole && at + 1 == tokens.len();
                // Positions are below the context's size, and the batch has room for the whole plan.
                if self.batch.add(LlamaToken(token), (first + at) as i32, &[chunk.slot as i32], wanted).is_err() {
                    tracing::error!("batch is full");
                }
            }
            if whole {
                outputs.push(Output { slot: chunk.slot, index: self.batch.n_tokens() - 1 });
            }
        }
        outputs
    }

    /// Draws the next token of one sequence, and sends what it makes complete.
    fn draw(&mut self, output: &Output) {
        let Some(slot) = self.slots.get_mut(output.slot) else { return };
        let room = slot.computed() + 1 < self.settings.context_tokens as usize;
        let Some(generation) = slot.generation() else { return };
        let started_us = generation.sampler.form().is_some().then(processor_us);
        let mut drawn = generation.sampler.sample(&self.context, output.index, &self.watch);
        let asked_logprobs = generation.logprobs;
        if let Some(started_us) = started_us {
            let us = processor_us().saturating_sub(started_us);
            self.forms_us = self.forms_us.saturating_add(us);
            drawn = slot.note_form(us).map_or(drawn, Drawn::Refused);
        }
        let (token, completes) = match drawn {
            Drawn::Token { token, completes } => (token, completes),
            Drawn::Complete => {
                slot.finish(FinishReason::Stop);
                meter::count_request("stop");
                return;
            }
            Drawn::Refused(problem) => {
                slot.abort(Some(problem));
                meter::count_request("refused");
                return;
            }
        };
        let ends = self.model.end_tokens().contains(&token);
        let logprobs = (asked_logprobs.filter(|_| !ends))
            .map(|top| logprobs::of(self.context.get_logits_ith(output.index), token, top));
        let progress = match slot.advance(token, self.model.piece(token), ends, room, logprobs) {
            // The form is complete: no further step is spent on the token that would say so.
            Progress::Running | Progress::Finished(FinishReason::Length) if completes => {
                Progress::Finished(FinishReason::Stop)
            }
            progress => progress,
        };
        if let Some(seconds) = slot.first_token_now() {
            meter::first_token(seconds);
        }
        match progress {
            Progress::Running => {}
            Progress::Abandoned => {
                slot.abort(None);
                meter::count_request("cancelled");
            }
            Progress::Finished(reason) => {
                slot.finish(reason);
                meter::count_request(if reason == FinishReason::Stop { "stop" } else { "length" });
            }
        }
    }

    /// llama.cpp could not compute a step. Its cache is in doubt, so all that runs ends, and all is forgotten.
    fn fail_all(&mut self, reason: &str) {
        tracing::error!(reason, "decode failed");
        for slot in &mut self.slots {
            if slot.is_running() {
                slot.abort(Some(Problem::internal(format!("the engine could not compute: {reason}"))));
                meter::count_request("error");
            }
            slot.forget();
        }
        self.context.clear_kv_cache();
    }

    fn embedding_step(&mut self, load: &Load) {
        let Some(work) = self.embedding.take() else { return };
        let (model, settings) = (self.model, &self.settings);
        let embedder = match &mut self.embedder {
            Some(embedder) => embedder,
            None => match Embedder::new(model, settings.context_tokens, STEP_TOKENS, settings.threads) {
                Ok(embedder) => self.embedder.insert(embedder),
                Err(error) => {
                    work.fail(Problem::internal(error.to_string()));
                    meter::count_request("error");
                    return;
                }
            },
        };
        let (rest, computed) = embedder.step(work);
        load.count_tokens(computed as u64);
        if rest.is_none() {
            meter::count_request("embedding");
        }
        self.embedding = rest;
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Processor time of this thread: what a form costs, however busy the machine is.
fn processor_us() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(std::time::Duration::from);
    now.map_or(0, |now| u64::try_from(now.as_micros()).unwrap_or(u64::MAX))
}
