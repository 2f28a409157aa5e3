//! Clients: a closed loop for CPU time, a fixed rate for latency, one connection after another's use for stalls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures_util::future::join_all;
use hdrhistogram::Histogram;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

/// The key that the gateway knows. The others do not look at it.
pub(crate) const KEY: &str = "sk-bench-0123456789abcdefghijklmnopqrstuvwxyzABCDE";
/// Streams measured one after another on one connection.
const SEQUENTIAL: usize = 60;

/// Where the load goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target(SocketAddr);

impl Target {
    pub(crate) fn of(port: u16) -> Self {
        Self(SocketAddr::from(([127, 0, 0, 1], port)))
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Unary,
    Stream,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::Stream => "stream",
        }
    }

    /// A conversation of about a kilobyte.
    fn body(self) -> Bytes {
        let stream = self == Self::Stream;
        let text = "Tell me what you know of the old mill by the river. ".repeat(15);
        let body = format!(
            r#"{{"model":"demo","messages":[{{"role":"system","content":"You are brief."}},{{"role":"user","content":"{text}"}}],"temperature":0.7,"max_tokens":64,"stream":{stream}}}"#
        );
        body.into()
    }
}

/// How a loop went.
#[derive(Debug, Default)]
pub(crate) struct Done {
    requests: usize,
    pub(crate) failed: usize,
}

impl Done {
    pub(crate) fn success(&self) -> f64 {
        1.0 - crate::to_f64(self.failed as u64) / crate::to_f64(self.requests.max(1) as u64)
    }
}

/// So many requests by so many clients, each asking again as soon as it is answered.
pub(crate) async fn closed_loop(target: Target, kind: Kind, clients: usize, requests: usize) -> anyhow::Result<Done> {
    let left = Arc::new(AtomicUsize::new(requests));
    let body = kind.body();
    let client = || async {
        let mut sender = connect(target).await?;
        let mut failed = 0;
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            if ask(&mut sender, &body).await.is_err() {
                failed += 1;
                sender = connect(target).await?;
            }
        }
        anyhow::Ok(failed)
    };
    let ended = join_all((0..clients).map(|_| client())).await;
    let failed = ended.into_iter().sum::<anyhow::Result<usize>>()?;
    Ok(Done { requests, failed })
}

/// The latency in microseconds, at the median and at the 99th of a hundred, of requests sent at a fixed rate: counted
/// from when each was due, so that a slow answer is not hidden by sending less.
pub(crate) async fn fixed_rate(target: Target, rate: u64, length: Duration) -> anyhow::Result<(u64, u64)> {
    const LANES: u64 = 8;
    let body = Kind::Unary.body();
    let began = Instant::now() + Duration::from_millis(50);
    let interval = Duration::from_secs(1) / u32::try_from(rate)?;
    let requests = u32::try_from(rate * length.as_secs())?;
    let lane = |first: u64| {
        let body = body.clone();
        async move {
            let mut sender = connect(target).await?;
            let mut micros = Vec::new();
            for index in (first..u64::from(requests)).step_by(usize::try_from(LANES)?) {
                let due = began + interval * u32::try_from(index)?;
                sleep_until(due).await;
                ask(&mut sender, &body).await?;
                micros.push(u64::try_from(due.elapsed().as_micros())?);
            }
            anyhow::Ok(micros)
        }
    };
    let mut histogram = Histogram::<u64>::new(3)?;
    for micros in join_all((0..LANES).map(lane)).await {
        micros?.into_iter().try_for_each(|micros| histogram.record(micros.max(1)))?;
    }
    Ok((histogram.value_at_quantile(0.5), histogram.value_at_quantile(0.99)))
}

/// Milliseconds that a stream takes on a connection used before, at the lower quarter: a stall for want of `TCP_NODELAY`
/// is in every one of them, and the machine's own hiccups are not.
pub(crate) async fn sequential_streams(target: Target) -> anyhow::Result<f64> {
    let body = Kind::Stream.body();
    let mut sender = connect(target).await?;
    ask(&mut sender, &body).await?;
    let mut millis = Vec::with_capacity(SEQUENTIAL);
    for _ in 0..SEQUENTIAL {
        let began = Instant::now();
        ask(&mut sender, &body).await?;
        millis.push(began.elapsed().as_secs_f64() * 1e3);
    }
    millis.sort_by(f64::total_cmp);
    millis.get(SEQUENTIAL / 4).copied().context("no streams")
}

/// Waits for the first answer.
pub(crate) async fn wait_until_served(target: Target) -> anyhow::Result<()> {
    let body = Kind::Unary.body();
    let served = async {
        loop {
            if let Ok(mut sender) = connect(target).await
                && ask(&mut sender, &body).await.is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), served).await.context("it does not serve")
}

async fn connect(target: Target) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(target.0).await?;
    stream.set_nodelay(true)?;
    let (sender, driver) = handshake(TokioIo::new(stream)).await?;
    telemetry::tasks::spawn("load connection", driver);
    Ok(sender)
}

async fn ask(sender: &mut SendRequest<Full<Bytes>>, body: &Bytes) -> anyhow::Result<()> {
    sender.ready().await?;
    let request = Request::post("/v1/chat/completions")
        .header(header::HOST, "127.0.0.1")
        .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, "bench")
        .body(Full::new(body.clone()))?;
    let response = sender.send_request(request).await?;
    ensure!(response.status() == StatusCode::OK, "answered {}", response.status());
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}
