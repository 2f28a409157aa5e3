//! What is served: something that answers requests and knows whom it answers.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::body::Body;
use crate::state::State;

/// Answers requests.
pub trait Serve: Send + Sync + 'static {
    /// What answers carry.
    type Reply: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static;

    /// Answers one request. Dropping the future must stop the work: the client has left, or its time is up.
    fn answer(&self, request: Request<Body>, client: Client) -> impl Future<Output = Response<Self::Reply>> + Send;
}

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its address.
    pub address: SocketAddr,
    pub(crate) state: Arc<State>,
}

impl Client {
    /// Cuts it off at this time, unless it has taken the answer to its present request by then. It holds whether or not
    /// the future or body behind the answer is polled.
    pub fn must_end_by(&self, at: Instant) {
        self.state.must_end_by(at);
    }

    /// Whether it closed its sending side while its request runs, and so may have left: sending it anything tells.
    #[must_use]
    pub fn may_have_left(&self) -> bool {
        self.state.may_have_left()
    }
}

/// Serves a router of axum, or any other service of that form.
#[derive(Debug, Clone)]
pub struct Tower<S>(pub S);

impl<S, R> Serve for Tower<S>
where
    S: tower::Service<Request<Body>, Response = Response<R>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    R: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static,
{
    type Reply = R;

    async fn answer(&self, request: Request<Body>, _client: Client) -> Response<R> {
        match self.0.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
