//! A replica that answers at once: a small completion, or a stream of 16 chunks, each written on its own.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Content chunks of a stream; the role, the usage and the end come on top.
const CHUNKS: usize = 16;
const REPLY: &str = r#"{"id":"chatcmpl-0123456789abcdef","object":"chat.completion","created":1760000000,"model":"demo:1.0","choices":[{"index":0,"message":{"role":"assistant","content":"The quick brown fox jumps over the lazy dog and runs away."},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":24,"completion_tokens":16,"total_tokens":40}}"#;
const HEALTH: &str = r#"{"status":"ok","running":0,"waiting":0,"parallel":16,"kv_usage":0.1}"#;

/// Prints its port and serves until it is killed.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let frames = frames();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let frames = frames.clone();
        let service = service_fn(move |request| answer(request, frames.clone()));
        let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        telemetry::tasks::spawn("mock connection", serving);
    }
}

async fn answer(request: Request<Incoming>, frames: Vec<Bytes>) -> Result<Response<Answer>, hyper::Error> {
    if request.uri().path() == "/health" {
        return Ok(Response::new(Answer::Whole(Some(HEALTH.into()))));
    }
    let body = request.into_body().collect().await?.to_bytes();
    let wants_stream = body.windows(13).any(|window| window == b"\"stream\":true");
    let (kind, answer) = if wants_stream {
        ("text/event-stream", Answer::Stream { frames, next: 0, is_due: false })
    } else {
        ("application/json", Answer::Whole(Some(REPLY.into())))
    };
    let mut response = Response::new(answer);
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    Ok(response)
}

fn frames() -> Vec<Bytes> {
    let chunk = |rest: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"demo:1.0\",{rest}}}\n\n"
        )
    };
    let delta = |delta: &str| {
        chunk(&format!("\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":null}}]"))
    };
    let mut frames = vec![delta(r#"{"role":"assistant","content":""}"#)];
    frames.extend(std::iter::repeat_n(delta(r#"{"content":" word"}"#), CHUNKS));
    frames.push(chunk(r#""choices":[],"usage":{"prompt_tokens":24,"completion_tokens":16,"total_tokens":40}"#));
    frames.push("data: [DONE]\n\n".to_owned());
    frames.into_iter().map(Bytes::from).collect()
}

/// The mock's answers.
enum Answer {
    Whole(Option<Bytes>),
    Stream { frames: Vec<Bytes>, next: usize, is_due: bool },
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream { frames, next, is_due } => {
                // Between two chunks the connection is flushed, as an engine's pauses would have it.
                if !std::mem::replace(is_due, false) && *next > 0 {
                    *is_due = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                let frame = frames.get(*next).cloned();
                *next += 1;
                Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Stream { .. } => SizeHint::default(),
        }
    }
}
