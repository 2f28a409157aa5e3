//! A replica that does what it is told, over a raw socket, so that it can misbehave at any byte.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What to do with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Answer in full: a stream when one is asked for.
    Answer,
    /// Answer this status, with these header lines and an empty JSON object.
    Status(u16, &'static str),
    /// Close without a byte.
    Close,
    /// Send the head of a stream and its role frame, then close.
    CloseBeforeContent,
    /// Send so many content frames, then close.
    CloseAfterContent(usize),
    /// Send the head and half of a unary answer, then close.
    CloseMidAnswer,
    /// Send nothing, and keep the connection.
    Stall,
    /// Send so many content frames, then nothing.
    StallAfterContent(usize),
    /// Answer in full after a while.
    Slow(Duration),
    /// Send content for as long as somebody takes it.
    Endless,
    /// Report an error as the stream's first event.
    ErrorEvent,
    /// Answer this status with this body.
    Says(u16, &'static str),
    /// Die, as by SIGKILL.
    Die,
    /// Stand still: neither this nor any probe is answered any more.
    Hang,
    /// Send the head of a stream and its role frame after a while, then nothing.
    SlowHead(Duration),
    /// Send one content frame, and the rest of the stream after a while.
    PauseAfterContent(Duration),
    /// Answer a stream whole, as if none had been asked for, after a while.
    Whole(Duration),
}

/// What happened to it.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub requests: Vec<String>,
    pub probes: usize,
    /// Connections that the gateway closed while an answer was due.
    pub cancelled: usize,
}

pub struct Upstream {
    pub url: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<Option<()>>,
}

struct Shared {
    acts: Mutex<VecDeque<Act>>,
    default: Mutex<Act>,
    /// What to do with requests that hold this text.
    on_text: Mutex<Option<(String, Act)>>,
    dead: CancellationToken,
    health: Mutex<(u16, String)>,
    is_hushed: AtomicBool,
    /// What it says of tokens, in place of [`USED`].
    usage: Mutex<String>,
    seen: watch::Sender<Seen>,
    connections: Mutex<Vec<JoinHandle<Option<()>>>>,
}

pub const REPLY: &str = r#"{"id":"c1","object":"chat.completion","model":"demo:1.0","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}"#;
/// The tokens in it, and in the stream.
pub const USED: &str = r#"{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}"#;
pub const ROLE: &str = "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n";
pub const WORD: &str =
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word \"},\"finish_reason\":null}]}\n\n";
pub const STOP: &str = "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
pub const USAGE: &str = "data: {\"id\":\"c1\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7,\"total_tokens\":12}}\n\n";
pub const DONE: &str = "data: [DONE]\n\n";

impl Upstream {
    pub async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.expect("a free port"))
    }

    pub fn on(listener: TcpListener) -> Self {
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let shared = Arc::new(Shared {
            acts: Mutex::default(),
            default: Mutex::new(Act::Answer),
            on_text: Mutex::default(),
            dead: CancellationToken::new(),
            health: Mutex::new((200, r#"{"status":"ok","running":0,"waiting":0,"parallel":4}"#.to_owned())),
            is_hushed: AtomicBool::new(false),
            usage: Mutex::new(USED.to_owned()),
            seen: watch::Sender::new(Seen::default()),
            connections: Mutex::default(),
        });
        let accepting = telemetry::tasks::spawn("upstream", accept(listener, Arc::clone(&shared)));
        Self { url, shared, accepting }
    }

    pub fn port(&self) -> u16 {
        self.url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
    }

    /// What to do with the next requests, one each; after them the default again.
    pub fn script(&self, acts: impl IntoIterator<Item = Act>) {
        self.shared.acts.lock().extend(acts);
    }

    /// What to do when the script is at its end.
    pub fn always(&self, act: Act) {
        *self.shared.default.lock() = act;
    }

    /// What to do with requests that hold this text, whatever else it does.
    pub fn when(&self, text: &str, act: Act) {
        *self.shared.on_text.lock() = Some((text.to_owned(), act));
    }

    /// Whether it has died.
    pub fn is_dead(&self) -> bool {
        self.shared.dead.is_cancelled()
    }

    pub fn health(&self, status: u16, body: &str) {
        *self.shared.health.lock() = (status, body.to_owned());
    }

    /// What it says of the tokens of its next answers.
    pub fn usage(&self, prompt: u64, cached: u64) {
        let details = format!(r#"{{"cached_tokens":{cached}}}"#);
        *self.shared.usage.lock() =
            format!(r#"{{"prompt_tokens":{prompt},"completion_tokens":7,"prompt_tokens_details":{details}}}"#);
    }

    /// Leaves probes unanswered, or answers them again.
    pub fn hush_health(&self, is_hushed: bool) {
        self.shared.is_hushed.store(is_hushed, Ordering::SeqCst);
    }

    pub fn seen(&self) -> Seen {
        self.shared.seen.borrow().clone()
    }

    /// Waits until what was seen satisfies `condition`.
    pub async fn wait(&self, what: &str, condition: impl FnMut(&Seen) -> bool) {
        let mut seen = self.shared.seen.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(60), seen.wait_for(condition)).await;
        assert!(waited.is_ok(), "waited in vain: {what}; {:?}", self.seen());
    }

    /// Dies as by SIGKILL: the port refuses, open connections are cut.
    pub async fn kill(&self) {
        self.accepting.abort();
        for connection in self.shared.connections.lock().drain(..) {
            connection.abort();
        }
        // The listener is gone when nothing accepts any more.
        while TcpStream::connect(("127.0.0.1", self.port())).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
        self.shared.connections.lock().drain(..).for_each(|connection| connection.abort());
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.dead.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            // The process has no descriptor left: others give some back.
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        stream.set_nodelay(true).expect("a fresh socket");
        let serving = serve(stream, Arc::clone(&shared));
        shared.connections.lock().push(telemetry::tasks::spawn("upstream connection", serving));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    tokio::select! {
        () = shared.dead.cancelled() => {}
        () = serve_alive(stream, &shared) => {}
    }
}

async fn serve_alive(mut stream: TcpStream, shared: &Shared) {
    let mut unread = Vec::new();
    while let Some((head, body)) = read_request(&mut stream, &mut unread).await {
        if head.starts_with("GET /health") {
            let (status, body) = shared.health.lock().clone();
            shared.seen.send_modify(|seen| seen.probes += 1);
            if shared.is_hushed.load(Ordering::SeqCst) {
                continue;
            }
            write_all(&mut stream, &unary(status, "", &body)).await;
            continue;
        }
        shared.seen.send_modify(|seen| seen.requests.push(format!("{head}{body}")));
        let on_text = shared.on_text.lock().clone().filter(|(text, _)| body.contains(text)).map(|(_, act)| act);
        let act = on_text.or_else(|| shared.acts.lock().pop_front()).unwrap_or_else(|| shared.default.lock().clone());
        let wants_stream = body.contains("\"stream\":true");
        if !perform(&mut stream, act, wants_stream, shared).await {
            return;
        }
    }
}

/// Does it; false when the connection is to close.
async fn perform(stream: &mut TcpStream, act: Act, wants_stream: bool, shared: &Shared) -> bool {
    match act {
        Act::Answer => answer(stream, wants_stream, shared).await,
        Act::Slow(wait) => {
            if !stays(stream, wait, shared).await {
                return false;
            }
            answer(stream, wants_stream, shared).await;
        }
        Act::Status(status, headers) => write_all(stream, &unary(status, headers, "{}")).await,
        Act::Close => return false,
        Act::Says(status, body) => write_all(stream, &unary(status, "", body)).await,
        Act::Die => {
            shared.dead.cancel();
            return false;
        }
        Act::Hang => {
            shared.is_hushed.store(true, Ordering::SeqCst);
            stays(stream, Duration::from_secs(600), shared).await;
            return false;
        }
        Act::SlowHead(wait) => {
            if stays(stream, wait, shared).await {
                write_all(stream, &format!("{STREAM_HEAD}{}", chunk(ROLE))).await;
                stays(stream, Duration::from_secs(600), shared).await;
            }
            return false;
        }
        Act::PauseAfterContent(wait) => {
            write_all(stream, &format!("{STREAM_HEAD}{}{}", chunk(ROLE), chunk(WORD))).await;
            if !stays(stream, wait, shared).await {
                return false;
            }
            write_all(stream, &format!("{}{}0\r\n\r\n", chunk(STOP), chunk(DONE))).await;
        }
        Act::Whole(wait) => {
            if !stays(stream, wait, shared).await {
                return false;
            }
            answer(stream, false, shared).await;
        }
        Act::CloseBeforeContent => {
            write_all(stream, &format!("{STREAM_HEAD}{}", chunk(ROLE))).await;
            return false;
        }
        Act::CloseAfterContent(words) => {
            write_all(stream, &format!("{STREAM_HEAD}{}{}", chunk(ROLE), chunk(WORD).repeat(words))).await;
            return false;
        }
        Act::CloseMidAnswer => {
            let whole = unary(200, "", REPLY);
            write_all(stream, &whole[..whole.len() / 2]).await;
            return false;
        }
        Act::Stall => {
            stays(stream, Duration::from_secs(600), shared).await;
            return false;
        }
        Act::StallAfterContent(words) => {
            write_all(stream, &format!("{STREAM_HEAD}{}{}", chunk(ROLE), chunk(WORD).repeat(words))).await;
            stays(stream, Duration::from_secs(600), shared).await;
            return false;
        }
        Act::Endless => {
            let words = chunk(WORD).repeat(100);
            write_all(stream, &format!("{STREAM_HEAD}{}", chunk(ROLE))).await;
            while stream.write_all(words.as_bytes()).await.is_ok() {}
            shared.seen.send_modify(|seen| seen.cancelled += 1);
            return false;
        }
        Act::ErrorEvent => {
            let event = chunk("data: {\"error\":{\"message\":\"out of memory\"}}\n\n");
            write_all(stream, &format!("{STREAM_HEAD}{event}0\r\n\r\n")).await;
        }
    }
    true
}

async fn answer(stream: &mut TcpStream, wants_stream: bool, shared: &Shared) {
    let usage = shared.usage.lock().clone();
    if !wants_stream {
        return write_all(stream, &unary(200, "", &REPLY.replace(USED, &usage))).await;
    }
    // Frames in pieces of their own, as an engine sends them.
    write_all(stream, STREAM_HEAD).await;
    for frame in [ROLE, WORD, WORD, STOP, USAGE, DONE] {
        write_all(stream, &chunk(&frame.replace(USED, &usage))).await;
    }
    write_all(stream, "0\r\n\r\n").await;
}

const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunk(frame: &str) -> String {
    format!("{:x}\r\n{frame}\r\n", frame.len())
}

fn unary(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn write_all(stream: &mut TcpStream, text: &str) {
    // The gateway may have left; then reading says so.
    let _ = stream.write_all(text.as_bytes()).await;
}

/// Waits; false when the gateway closed the connection meanwhile, which is noted.
async fn stays(stream: &mut TcpStream, wait: Duration, shared: &Shared) -> bool {
    let mut byte = [0];
    let closed = tokio::time::timeout(wait, stream.read(&mut byte)).await.is_ok_and(|read| !matches!(read, Ok(1..)));
    if closed {
        shared.seen.send_modify(|seen| seen.cancelled += 1);
    }
    !closed
}

async fn read_request(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<(String, String)> {
    let mut buffer = [0; 16 << 10];
    loop {
        if let Some(end) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&unread[..end + 4]).to_lowercase().replacen("get", "GET", 1);
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok()).unwrap_or(0);
            while unread.len() < end + 4 + length {
                match stream.read(&mut buffer).await {
                    Ok(read @ 1..) => unread.extend_from_slice(&buffer[..read]),
                    _ => return None,
                }
            }
            let body = String::from_utf8_lossy(&unread[end + 4..end + 4 + length]).into_owned();
            unread.drain(..end + 4 + length);
            return Some((head, body));
        }
        match stream.read(&mut buffer).await {
            Ok(read @ 1..) => unread.extend_from_slice(&buffer[..read]),
            _ => return None,
        }
    }
}
