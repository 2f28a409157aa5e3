//! Connections to one replica, kept open between requests.
//!
//! A small pool of our own instead of a general client: the gateway must know whether a request may have been sent, and
//! a connection that is dropped in mid-answer must close at once, because that is what cancels the work upstream.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use listener::descriptors::is_exhausted;
use parking_lot::Mutex;
use telemetry::tasks;
use tokio::net::TcpStream;

/// Idle connections and how to make more.
#[derive(Debug)]
pub(crate) struct Pool {
    host: String,
    port: u16,
    /// What precedes the path in the replica's base URL.
    pub(crate) path_prefix: String,
    /// Value of the `host` header.
    pub(crate) authority: HeaderValue,
    connect_timeout: Duration,
    idle_max: usize,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

/// A connection in use. Dropping it closes it; [`Pool::give_back`] keeps it.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// It carried a request before, so that the replica may have closed it meanwhile.
    pub(crate) reused: bool,
}

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error("it refused the connection")]
    Refused,
    #[error("it could not be connected to in time")]
    ConnectTimeout,
    #[error("it could not be connected to")]
    Unreachable,
    #[error("the connection was lost")]
    Lost,
    /// This process or machine has no descriptor, port or memory left for a connection: no fault of the replica.
    #[error("no more connections can be opened here")]
    Exhausted,
}

impl Pool {
    /// A pool for a base URL like `http://127.0.0.1:41001`; nothing when the URL is not of that form.
    pub(crate) fn for_url(url: &str, connect_timeout: Duration, idle_max: usize) -> Option<Self> {
        let uri: http::Uri = url.parse().ok()?;
        if uri.scheme() != Some(&http::uri::Scheme::HTTP) {
            return None;
        }
        let authority = uri.authority()?;
        // What stands behind the host is a port that there is, and nothing stands before it.
        let behind = authority.as_str().strip_prefix(authority.host())?;
        if !behind.is_empty() && authority.port_u16().is_none() {
            return None;
        }
        Some(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            path_prefix: uri.path().trim_end_matches('/').to_owned(),
            authority: HeaderValue::from_str(authority.as_str()).ok()?,
            connect_timeout,
            idle_max,
            idle: Mutex::new(Vec::new()),
        })
    }

    /// An idle connection, or a new one. With `fresh` never an idle one.
    pub(crate) async fn connection(&self, fresh: bool) -> Result<Connection, UpstreamError> {
        let idle = || if fresh { None } else { self.idle.lock().pop() };
        while let Some(mut sender) = idle() {
            // Its answer was read to the end: either it is ready in a moment, or it has been closed.
            if sender.ready().await.is_ok() {
                return Ok(Connection { sender, reused: true });
            }
        }
        let connecting =
            tokio::time::timeout(self.connect_timeout, TcpStream::connect((self.host.as_str(), self.port)));
        let stream =
            connecting.await.map_err(|_| UpstreamError::ConnectTimeout)?.map_err(|error| self.unconnected(&error))?;
        // Small writes must leave at once; without it a reused connection stalls for the peer's delayed acknowledgement.
        stream.set_nodelay(true).map_err(|_| UpstreamError::Lost)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| UpstreamError::Lost)?;
        tasks::spawn("gateway upstream connection", async move {
            // Its failure reaches whoever waits for the answer; there is nothing more to say here.
            let _ = driver.await;
        });
        Ok(Connection { sender, reused: false })
    }

    fn unconnected(&self, error: &io::Error) -> UpstreamError {
        if is_exhausted(error) {
            // What lies idle gives its descriptors back.
            self.idle.lock().clear();
            return UpstreamError::Exhausted;
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => UpstreamError::Refused,
            _ => UpstreamError::Unreachable,
        }
    }

    /// Keeps a connection whose answer was read to the end.
    pub(crate) fn give_back(&self, connection: Connection) {
        if connection.sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock();
        if idle.len() < self.idle_max {
            idle.push(connection.sender);
        }
    }
}

impl Connection {
    /// Sends a request and waits for the head of its answer. Dropping this future closes the connection.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, UpstreamError> {
        self.sender.send_request(request).await.map_err(|_| UpstreamError::Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_urls_have_a_pool() {
        let pool = |url| Pool::for_url(url, Duration::from_secs(1), 4);
        let found = pool("http://[::1]:81/base/").expect("an IPv6 URL");
        assert_eq!((found.host.as_str(), found.port, found.path_prefix.as_str()), ("::1", 81, "/base"));
        assert_eq!(pool("http://replica.example").expect("a name").port, 80);
        for bad in
            ["", "127.0.0.1:80", "https://127.0.0.1", "/x", "http://", "http://x:99999", "http://x:", "http://a:b@x"]
        {
            assert!(pool(bad).is_none(), "{bad}");
        }
    }
}
