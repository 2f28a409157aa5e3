//! Starts the service on a model of its own, asks it, and ends it.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gguf::{self, Shape};

/// How long anything may take before the test fails; generous, because machines are busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running service; it ends with this value.
pub struct Service {
    process: Child,
    pub url: String,
    pub client: Client,
    pub ready: Value,
    _folder: TempDir,
}

impl Service {
    /// A service on a tiny model.
    pub async fn tiny() -> Self {
        Self::start(gguf::TINY, &[]).await
    }

    /// A service on a model of `shape`, with more arguments.
    pub async fn start(shape: Shape, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let model = gguf::write(folder.path(), shape);
        let ready_file = folder.path().join("ready.json");
        let mut process = command(&model)
            .args(["--instance-id", "i-7", "--cloud-root", "/nowhere"])
            .arg("--ready-file")
            .arg(&ready_file)
            .args(arguments)
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let ready = wait_for("the ready file", async || {
            assert_eq!(process.try_wait().expect("its state"), None, "it ended early");
            serde_json::from_slice::<Value>(&std::fs::read(&ready_file).ok()?).ok()
        })
        .await;
        let url = format!("http://127.0.0.1:{}", ready["port"]);
        let client = Client::builder().timeout(PATIENCE).build().expect("a client");
        Self { process, url, client, ready, _folder: folder }
    }

    /// Posts `body`.
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.client.post(format!("{}{path}", self.url)).json(body).send().await.expect("an answer")
    }

    /// Posts `body`; the answer must be a success.
    pub async fn ask(&self, path: &str, body: &Value) -> Value {
        let response = self.post(path, body).await;
        let status = response.status();
        let answer = response.json().await.expect("JSON");
        assert!(status.is_success(), "{status}: {answer}");
        answer
    }

    /// Gets a text.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let response = self.client.get(format!("{}{path}", self.url)).send().await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("text"))
    }

    /// The body of `/health`.
    pub async fn health(&self) -> Value {
        serde_json::from_str(&self.get("/health").await.1).expect("JSON")
    }

    /// Waits until `/health` says that `field` is `value`.
    pub async fn wait_for(&self, field: &str, value: u64) {
        wait_for(field, async || (self.health().await[field] == value).then_some(())).await;
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let pid = i32::try_from(self.process.id()).expect("a pid");
        kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it is there");
    }

    /// Waits for the end.
    pub async fn exit(&mut self) -> ExitStatus {
        wait_for("the exit", async || self.process.try_wait().expect("its state")).await
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The command with the arguments that are always there.
pub fn command(model: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_model-service"));
    command.arg("--model").arg(model).args(["--alias", "tiny:1.0", "--host", "127.0.0.1"]);
    command
}

/// Looks again and again until `look` finds something.
pub async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what} did not come within {PATIENCE:?}");
}

/// A greedy chat request.
pub fn chat(text: &str, max_tokens: u32) -> Value {
    json!({"model": "tiny", "messages": [{"role": "user", "content": text}], "max_tokens": max_tokens, "temperature": 0})
}

/// A completion that streams until it is stopped or the context is full.
pub fn endless(prompt: &str) -> Value {
    json!({"model": "tiny", "prompt": prompt, "max_tokens": 100_000, "ignore_eos": true, "stream": true})
}

/// The text of a chat answer.
pub fn text(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"].as_str().expect("text")
}

/// The chunks of a stream, without the mark of the end, which must be there.
pub fn chunks(body: &str) -> Vec<Value> {
    let mut frames: Vec<&str> = body.split("\n\n").collect();
    assert_eq!(frames.pop(), Some(""), "the last frame ends with an empty line");
    assert_eq!(frames.pop(), Some("data: [DONE]"));
    let data = frames.iter().map(|frame| frame.strip_prefix("data: ").expect("a data frame"));
    data.map(|data| serde_json::from_str(data).expect("JSON")).collect()
}
