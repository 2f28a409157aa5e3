//! A listener that serves a stand-in, and clients over raw sockets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use listener::{Body, BodyError, Client, Serve, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What the service has seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    pub begun: usize,
    /// Requests or answers that were dropped before their end.
    pub dropped: usize,
}

pub struct Stand {
    pub address: SocketAddr,
    pub stop: CancellationToken,
    seen: Arc<watch::Sender<Seen>>,
    serving: Option<JoinHandle<Option<()>>>,
}

struct Service {
    seen: Arc<watch::Sender<Seen>>,
    release: Arc<tokio::sync::Notify>,
}

/// Counts its own end.
struct Guard(Arc<watch::Sender<Seen>>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.send_modify(|seen| seen.dropped += 1);
    }
}

type Reply = UnsyncBoxBody<Bytes, Infallible>;

/// Bytes without end, or none ever.
struct Endless {
    piece: Option<Bytes>,
    _guard: Guard,
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &self.piece {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece.clone())))),
            None => Poll::Pending,
        }
    }
}

fn whole(status: StatusCode, text: impl Into<Bytes>) -> Response<Reply> {
    let mut response = Response::new(Full::new(text.into()).boxed_unsync());
    *response.status_mut() = status;
    response
}

impl Serve for Service {
    type Reply = Reply;

    async fn answer(&self, request: Request<Body>, client: Client) -> Response<Reply> {
        self.seen.send_modify(|seen| seen.begun += 1);
        let guard = || Guard(Arc::clone(&self.seen));
        match request.uri().path() {
            // Reads its body, within a limit.
            "/echo" => {
                let _guard = guard();
                let mut body = request.into_body();
                let mut bytes = Vec::new();
                while let Some(frame) = body.frame().await {
                    match frame {
                        Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap_or_default()),
                        Err(BodyError::TooLarge) => return whole(StatusCode::PAYLOAD_TOO_LARGE, "too large"),
                        Err(error) => return whole(StatusCode::BAD_REQUEST, error.to_string()),
                    }
                    if bytes.len() > 1 << 20 {
                        return whole(StatusCode::PAYLOAD_TOO_LARGE, "too large");
                    }
                }
                whole(StatusCode::OK, bytes)
            }
            // Answers when the test says so.
            "/wait" => {
                let _guard = guard();
                self.release.notified().await;
                whole(StatusCode::OK, "released")
            }
            "/flood" => {
                let body = Endless { piece: Some(Bytes::from(vec![b'x'; 64 << 10])), _guard: guard() };
                Response::new(body.boxed_unsync())
            }
            "/quiet" => {
                client.must_end_by(tokio::time::Instant::now() + Duration::from_millis(100));
                Response::new(Endless { piece: None, _guard: guard() }.boxed_unsync())
            }
            "/refuse" => whole(StatusCode::FORBIDDEN, "no"),
            _ => whole(StatusCode::OK, "hello"),
        }
    }
}

/// Short limits, for what a test wants to see end; the others stay long.
pub fn settings() -> Settings {
    Settings { drain: Duration::from_secs(30), ..Settings::new("test") }
}

impl Stand {
    pub async fn start(settings: Settings) -> Self {
        Self::start_released(settings, Arc::new(tokio::sync::Notify::new())).await
    }

    /// `/wait` answers when `release` is notified.
    pub async fn start_released(settings: Settings, release: Arc<tokio::sync::Notify>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let seen = Arc::new(watch::Sender::new(Seen::default()));
        let service = Service { seen: Arc::clone(&seen), release };
        let serving = telemetry::tasks::spawn("test", listener::serve(listener, settings, service, stop.clone()));
        Self { address, stop, seen, serving: Some(serving) }
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("it listens")
    }

    /// A connection that has sent `text`.
    pub async fn send(&self, text: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.expect("sent");
        stream
    }

    /// All that is answered to `text` until the connection ends.
    pub async fn ask(&self, text: &str) -> String {
        read_all(&mut self.send(text).await).await
    }

    pub async fn wait(&self, what: &str, condition: impl FnMut(&Seen) -> bool) {
        let waited = async { self.seen.subscribe().wait_for(condition).await.map(|_| ()) };
        assert!(within(waited).await.is_ok(), "waited in vain: {what}: {:?}", *self.seen.borrow());
    }

    pub async fn stopped(mut self) {
        self.stop.cancel();
        within(self.serving.take().expect("it serves")).await.expect("joined");
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")
}

/// Reads until the other side closes, or cuts.
pub async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 << 10];
    while let Ok(read @ 1..) = within(stream.read(&mut buffer)).await {
        bytes.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until what came ends with `end`.
pub async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 << 10];
    while !bytes.ends_with(end.as_bytes()) {
        let read = within(stream.read(&mut buffer)).await.expect("it answers");
        assert!(read > 0, "it ended: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
