//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Parser;

use crate::confine::{Confinement, own_folder};
use crate::engine::Settings;

/// Serves a LLaMA-family GGUF model with an OpenAI-compatible API.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Example:\n  model-service --model models/demo.gguf --alias demo:1.0 --port 8100 --parallel 4"
)]
pub struct Args {
    /// The GGUF file.
    #[arg(long)]
    pub model: PathBuf,
    /// The name that clients ask for; the part before ':' answers too.
    #[arg(long)]
    pub alias: String,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// The port to listen on; 0 takes any free one.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// How many sequences are generated together.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub parallel: u32,
    /// The most tokens of one sequence, prompt and answer; the model's own limit unless said, and never more.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub context_tokens: u32,
    /// How many requests wait when all sequences are busy; beyond it the answer is 429.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(0..=65_536))]
    pub queue: u32,
    /// Processor threads that compute.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=512))]
    pub threads: i32,
    /// Layers computed on the GPU; 0 unless built with the feature `cuda`, which then takes all.
    #[arg(long, default_value_t = if cfg!(feature = "cuda") { 1_000 } else { 0 })]
    pub gpu_layers: u32,
    /// How long running requests may take to finish after SIGTERM.
    #[arg(long, default_value_t = 30)]
    pub drain_seconds: u64,
    /// After how long without a step, while requests run or wait, /health says 'stalled'.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub stall_seconds: u64,
    /// The cloud's name for this process, repeated in /health.
    #[arg(long)]
    pub instance_id: Option<String>,
    /// The data folder of the cloud that started this process: a tag by which it finds its processes again.
    #[arg(long)]
    pub cloud_root: Option<PathBuf>,
    /// A file, readable for its owner alone, with the SHA-256 digests of the credentials that callers may show as bearer
    /// tokens, one a line; without it everybody who reaches the port is served.
    #[arg(long)]
    pub callers: Option<PathBuf>,
    /// Confine this process before it reads the model: to so many bytes of memory of its own and room for the runtime, to
    /// the model file and the ready file's folder, without other programs, connections and privileges.
    #[arg(long)]
    pub confine_memory_bytes: Option<u64>,
    /// Written, as JSON, once requests are served.
    #[arg(long)]
    pub ready_file: Option<PathBuf>,
    /// What is logged, in the form of tracing's EnvFilter.
    #[arg(long, default_value = "info,llama-cpp-2=error")]
    pub log: String,
}

impl Args {
    /// How the process is to be confined, if it is.
    pub fn confinement(&self) -> Option<Confinement<'_>> {
        let memory_bytes = self.confine_memory_bytes?;
        let folder = own_folder(self.ready_file.as_ref());
        let reads = [Some(&self.model), self.callers.as_ref()].into_iter().flatten().map(PathBuf::as_path).collect();
        Some(Confinement { memory_bytes, folder, reads, gpu: self.gpu_layers > 0 })
    }

    /// The engine's part.
    pub fn engine(&self) -> Settings {
        Settings {
            path: self.model.clone(),
            parallel: self.parallel,
            queue: self.queue as usize,
            context_tokens: self.context_tokens,
            threads: self.threads,
            gpu_layers: self.gpu_layers,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}
