//! Tokens per second of `model-service` beside llama.cpp's own server, on the same file, over HTTP, streaming.
//!
//! Both run at once and are asked in turn, so that whatever else the machine does meets both. Each round asks every
//! stream for the same number of tokens after prompts that differ; the figure is the median of the rounds.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use clap::Parser;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

const STREAMS: [usize; 2] = [1, 8];
const PROMPT_WORDS: usize = 40;
const WORDS: &[&str] = &[
    "the", "cat", "dog", "house", "river", "walks", "to", "and", "sees", "a", "small", "blue", "tree", "under", "old",
    "bridge", "where", "children", "play", "every", "morning",
];

/// Measures both servers in turn.
#[derive(Debug, Parser)]
struct Args {
    /// The GGUF file.
    #[arg(long, default_value = "models/demo.gguf")]
    model: PathBuf,
    /// The binary of model-service.
    #[arg(long)]
    service: PathBuf,
    /// The binary of llama-server.
    #[arg(long)]
    peer: PathBuf,
    /// How often each is measured.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Requests of each stream in a round.
    #[arg(long, default_value_t = 2)]
    requests: usize,
    /// Tokens that each request generates.
    #[arg(long, default_value_t = 128)]
    tokens: usize,
    /// The context of one sequence.
    #[arg(long, default_value_t = 512)]
    context_tokens: usize,
    /// Threads that compute.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Where the prompts' randomness begins.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// A server under measurement; it ends with this value.
struct Server {
    name: &'static str,
    process: Child,
    address: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both calls fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    ensure!(args.model.exists(), "{} does not exist; give another with --model", args.model.display());
    let servers = [start_service(&args).await?, start_peer(&args).await?];
    let mut out = std::io::stdout();
    let mut rng = SmallRng::seed_from_u64(args.seed);
    for server in &servers {
        measure(server, &args, 1, &mut rng).await?;
    }
    let mut ratios = Vec::new();
    for streams in STREAMS {
        let mut rates = [Vec::new(), Vec::new()];
        for round in 0..args.rounds {
            // Who goes first changes, so that neither always follows the other.
            for at in [round % 2, 1 - round % 2] {
                rates[at].push(measure(&servers[at], &args, streams, &mut rng).await?);
            }
        }
        let [ours, peers] = rates.map(median);
        for (server, rate) in servers.iter().zip([ours, peers]) {
            writeln!(
                out,
                "{:<14} {streams} streams {rate:>9.0} tokens/s (median of {} rounds)",
                server.name, args.rounds
            )?;
        }
        ratios.push(ours / peers);
    }
    writeln!(out, "model-service ratio_1={:.2} ratio_8={:.2}", ratios[0], ratios[1])?;
    Ok(())
}

async fn start_service(args: &Args) -> anyhow::Result<Server> {
    let port = free_port()?;
    let mut command = Command::new(&args.service);
    command
        .arg("--model")
        .arg(&args.model)
        .args(["--alias", "bench", "--port", &port.to_string(), "--parallel", "8"])
        .args(["--threads", &args.threads.to_string(), "--context-tokens", &args.context_tokens.to_string()]);
    start("model-service", command, port).await
}

async fn start_peer(args: &Args) -> anyhow::Result<Server> {
    let port = free_port()?;
    let threads = args.threads.to_string();
    let mut command = Command::new(&args.peer);
    command
        .arg("--model")
        .arg(&args.model)
        .args(["--alias", "bench", "--host", "127.0.0.1", "--port", &port.to_string(), "--parallel", "8"])
        .args(["--threads", &threads, "--threads-batch", &threads])
        .args(["--ctx-size", &(args.context_tokens * 8).to_string(), "--no-warmup"]);
    start("llama-server", command, port).await
}

/// The system hands out a free port, which the server takes a moment later.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

async fn start(name: &'static str, mut command: Command, port: u16) -> anyhow::Result<Server> {
    let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let process = process.with_context(|| format!("cannot start {command:?}"))?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    // A connection a request: llama-server closes idle ones when it likes, and a race is no measurement.
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
    let mut server = Server { name, process, address: format!("http://127.0.0.1:{port}"), client };
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        if let Some(status) = server.process.try_wait()? {
            bail!("{name} ended with {status}; start it by hand to see why: {command:?}");
        }
        let health = server.client.get(format!("{}/health", server.address).parse()?).await;
        if health.is_ok_and(|response| response.status().is_success()) {
            return Ok(server);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("{name} does not serve within 60 s")
}

/// Tokens per second of `streams` clients that each ask `args.requests` times, one after the other.
async fn measure(server: &Server, args: &Args, streams: usize, rng: &mut SmallRng) -> anyhow::Result<f64> {
    let mut clients = Vec::new();
    for _ in 0..streams {
        let bodies: Vec<Value> = (0..args.requests).map(|_| request(rng, args.tokens)).collect();
        clients.push(async move {
            let mut tokens = 0;
            for body in bodies {
                tokens += ask(server, &body).await?;
            }
            anyhow::Ok(tokens)
        });
    }
    let began = Instant::now();
    let counts = futures_util::future::try_join_all(clients).await?;
    let tokens: u64 = counts.into_iter().sum();
    let wanted = (streams * args.requests * args.tokens) as u64;
    ensure!(tokens == wanted, "{} made {tokens} tokens, not {wanted}", server.name);
    Ok(tokens as f64 / began.elapsed().as_secs_f64())
}

fn request(rng: &mut SmallRng, tokens: usize) -> Value {
    let words: Vec<&str> = (0..PROMPT_WORDS).map(|_| WORDS[rng.random_range(0..WORDS.len())]).collect();
    json!({
        "model": "bench", "prompt": words.join(" "), "max_tokens": tokens, "ignore_eos": true,
        "stream": true, "stream_options": {"include_usage": true},
        "temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05, "seed": rng.random_range(0..1_000_000),
        "presence_penalty": 0.0, "frequency_penalty": 0.0,
    })
}

/// Asks once, reads the whole stream, and returns the tokens that the server says it made.
async fn ask(server: &Server, body: &Value) -> anyhow::Result<u64> {
    let request = Request::post(format!("{}/v1/completions", server.address))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(serde_json::to_vec(body)?)))?;
    let response = server.client.request(request).await?;
    let status = response.status();
    let text = response.into_body().collect().await?.to_bytes();
    let text = String::from_utf8_lossy(&text);
    ensure!(status.is_success(), "{} answered {status}: {text}", server.name);
    let usage = text.lines().rev().filter_map(|line| line.strip_prefix("data: ")).find_map(|data| {
        let chunk: Value = serde_json::from_str(data).ok()?;
        chunk["usage"]["completion_tokens"].as_u64()
    });
    usage.with_context(|| format!("{} sent no usage", server.name))
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
