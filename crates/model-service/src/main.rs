//! `model-service`: serves one GGUF model of the LLaMA family through llama.cpp, with OpenAI's API.

mod args;
mod confine;
mod constraint;
mod engine;
mod http;
mod log_ring;
mod pool;
mod prompt;
mod ready;
mod serve;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let args = args::Args::parse();
    // Before any thread is made, also that of the log.
    let confined = args.confinement().map(|confinement| confine::confine(&confinement));
    let logs = log_ring::LogRing::default();
    let lines = logs.clone();
    if let Err(error) = telemetry::log::init_to(&args.log, telemetry::log::Format::Text, false, move || lines.writer())
    {
        tracing::error!(error, "log filter does not parse");
        return ExitCode::FAILURE;
    }
    if let Some(confined) = &confined {
        confined.log();
    }
    llama_cpp_2::send_logs_to_tracing(llama_cpp_2::LogOptions::default());
    // Two threads carry bytes; the engine has its own.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let served = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        let served = runtime.block_on(serve::run(args, logs));
        // A drain that took too long leaves work behind, which ends with the process.
        runtime.shutdown_background();
        served
    });
    let code = match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "model service failed");
            ExitCode::FAILURE
        }
    };
    // The last line is what whoever started this process shows as the reason.
    telemetry::log::flush();
    code
}
