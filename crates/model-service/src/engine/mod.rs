//! The inference engine: one model, one thread that computes, and a bounded door in front of it.
//!
//! `queue`, `prefix`, `step`, `share`, `stop`, `utf8`, `answer`, `logprobs` and `rate` are pure decisions; `model`, `sampling`,
//! `embedding` and `worker` talk to llama.cpp.

pub mod answer;
pub mod embedding;
pub mod gate;
pub mod load;
pub mod logprobs;
pub mod meter;
pub mod model;
pub mod prefix;
pub mod queue;
pub mod rate;
pub mod request;
pub mod sampling;
pub mod share;
pub mod slot;
pub mod step;
pub mod stop;
pub mod utf8;
pub mod watch;
pub mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::constraint::compile::Compiler;
use gate::{Gate, InHand, Refusal};
use load::{Load, Progress};
use model::{LoadError, Model};
use request::Job;
use worker::Worker;

/// How the engine runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The GGUF file.
    pub path: PathBuf,
    /// How many sequences run together.
    pub parallel: u32,
    /// How many requests wait beyond them.
    pub queue: usize,
    /// The most tokens of one sequence; 0 asks for what the model was trained for.
    pub context_tokens: u32,
    /// Processor threads of a step.
    pub threads: i32,
    /// Layers that are computed on the GPU.
    pub gpu_layers: u32,
}

/// A running engine. The thread ends once the gate is drained and the work done.
pub struct Engine {
    /// The model.
    pub model: Arc<Model>,
    /// How it runs, with the context's size resolved.
    pub settings: Settings,
    /// What it is doing.
    pub load: Arc<Load>,
    /// Makes automata of schemas and grammars.
    pub compiler: Compiler,
    gate: Arc<Gate>,
}

/// Tells the gate when the thread ends, however it ends.
struct StopOnDrop(Arc<Gate>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Engine {
    /// Loads the model and starts the thread; waits until it is ready. The receiver resolves when the thread has ended.
    pub fn start(settings: Settings) -> Result<(Self, oneshot::Receiver<()>), LoadError> {
        let model = Arc::new(Model::load(&settings.path, settings.gpu_layers)?);
        let trained = model.trained_context_tokens.max(1);
        let asked = if settings.context_tokens == 0 { trained } else { settings.context_tokens.min(trained) };
        let settings = Settings { context_tokens: asked, ..settings };
        let gate = Arc::new(Gate::new(settings.parallel as usize, settings.queue));
        let load = Arc::new(Load::new(Instant::now()));
        let compiler = Compiler::new(model.tokens()).map_err(|error| LoadError::Engine(error.to_string()))?;
        let (ready, started) = std::sync::mpsc::sync_channel(1);
        let (ended, end) = oneshot::channel();
        let engine = Self {
            model: Arc::clone(&model),
            settings: settings.clone(),
            load: Arc::clone(&load),
            compiler,
            gate: Arc::clone(&gate),
        };
        let body = move || {
            let _ended = ended;
            let guard = StopOnDrop(gate);
            match Worker::new(&model, settings) {
                Ok(mut worker) => {
                    let _ = ready.send(Ok(()));
                    worker.run(&guard.0, &load);
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        };
        let spawned = std::thread::Builder::new().name("engine".to_owned()).spawn(body);
        spawned.map_err(|error| LoadError::Engine(error.to_string()))?;
        started.recv().map_err(|_| LoadError::Engine("its thread died".to_owned()))??;
        Ok((engine, end))
    }

    /// Hands over `job`.
    pub fn submit(&self, job: Job) -> Result<(), Refusal> {
        if self.gate.in_hand() == (InHand { running: 0, waiting: 0 }) {
            self.load.work_arrives();
        }
        self.gate.submit(job)
    }

    /// The door, for its state.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// How far the thread has come, and whether it is stalled: it has work, and no step ends.
    pub fn progress(&self, limit_ms: u64) -> (Progress, bool) {
        let progress = self.load.progress();
        let in_hand = self.gate.in_hand();
        (progress, in_hand.running + in_hand.waiting > 0 && progress.is_stalled(limit_ms))
    }

    /// What share of the cache running sequences use, 0 to 1.
    pub fn kv_usage(&self) -> f64 {
        let all = f64::from(self.settings.context_tokens) * f64::from(self.settings.parallel);
        (self.load.now().kv_tokens as f64 / all).clamp(0.0, 1.0)
    }
}
