//! The HTTP and JSON-RPC side of an MCP server, in front of the library: what it lets through is a well-formed message, from
//! an allowed place, of a caller who is known, in a revision and for a feature that is served. Whatever it or the library
//! refuses is answered in JSON-RPC.
//!
//! Nothing here knows a tool: the clouds' servers and the fixture of the conformance tests share it.

mod message;
mod methods;
mod params;
mod place;
pub(super) mod refusal;
mod version;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use domain::{Kind, Problem};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use rmcp::ServerHandler;
use rmcp::model::{ProtocolVersion, ServerCapabilities};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use super::auth::Gate;
pub(super) use message::Message;
use place::Place;
pub(super) use refusal::Refusal;

/// Largest request body, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(30);
/// Most of a plain answer that is read to say it again in JSON-RPC, in bytes.
const PLAIN_BYTES_MAX: usize = 64 << 10;

/// Protocol revisions that are served, newest first. All of them without sessions.
pub const VERSIONS: &[ProtocolVersion] =
    &[ProtocolVersion::V_2026_07_28, ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2025_06_18];

/// What a server lets in.
pub struct Entrance {
    place: Place,
    capabilities: ServerCapabilities,
    /// None lets everybody in: for tests.
    gate: Option<Arc<Gate>>,
}

impl Entrance {
    /// An entrance for requests to one of `hosts` that come from no page or from one of `origins`; everybody is let in.
    /// Methods of features that `capabilities` do not declare are refused. Fails when an origin is none.
    pub fn open(hosts: Vec<String>, origins: &[String], capabilities: ServerCapabilities) -> Result<Self, Problem> {
        Ok(Self { place: Place::new(hosts, origins)?, capabilities, gate: None })
    }

    /// The same for callers with a token alone.
    pub(super) fn behind(self, gate: Arc<Gate>) -> Self {
        Self { gate: Some(gate), ..self }
    }

    /// The handlers that `make` makes, one a request, at `path`. `layer` adds what stands between the entrance and them.
    pub fn serve<S: ServerHandler>(
        self: &Arc<Self>,
        path: &str,
        make: impl Fn() -> S + Send + Sync + 'static,
        layer: impl FnOnce(Router) -> Router,
    ) -> Router {
        // Sessions are off for every revision; then a plain call is answered by plain JSON. The entrance has checked
        // Host and Origin.
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_max_request_body_bytes(BODY_BYTES_MAX.saturating_mul(2))
            .disable_allowed_hosts()
            .disable_allowed_origins();
        let service = StreamableHttpService::new(move || Ok(make()), Arc::new(LocalSessionManager::default()), config);
        layer(Router::new().route_service(path, service)).layer(middleware::from_fn_with_state(self.clone(), enter))
    }

    /// Puts other routes behind the checks of place and caller; what is refused there is answered as here.
    pub(super) fn guard(self: &Arc<Self>, routes: Router) -> Router {
        routes.layer(middleware::from_fn_with_state(self.clone(), pass))
    }

    /// Puts open routes behind the check of the place.
    pub(super) fn open_to_all(self: &Arc<Self>, routes: Router) -> Router {
        routes.layer(middleware::from_fn_with_state(self.clone(), look))
    }

    fn admit(&self, request: &mut Request) -> Result<(), Refusal> {
        self.gate.as_ref().map_or(Ok(()), |gate| gate.authenticate(request))
    }

    /// From an admitted request to one that the library gets.
    async fn read(&self, request: Request) -> Result<(Request, Message), Refusal> {
        if request.method() != Method::POST {
            let problem = Problem::invalid("this endpoint is called with POST").next("send a JSON-RPC message by POST");
            return Err(Refusal::http(StatusCode::METHOD_NOT_ALLOWED, problem));
        }
        let (mut parts, body) = request.into_parts();
        check_content(&parts.headers)?;
        let mut message = Message::parse(&collect(body).await?)?;
        let id = message.id.clone();
        let served: Vec<&str> = VERSIONS.iter().map(ProtocolVersion::as_str).collect();
        let body = version::era(&parts.headers, &message, &served)
            .and_then(|era| methods::check(&mut message, era, &self.capabilities))
            .map(|()| message.to_value().to_string())
            .map_err(|refusal| refusal.answering(id.as_ref()))?;
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        parts.headers.remove(header::TRANSFER_ENCODING);
        parts.extensions.insert(Arc::new(message.clone()));
        Ok((Request::from_parts(parts, Body::from(body)), message))
    }
}

/// The life of a request to the endpoint.
async fn enter(State(entrance): State<Arc<Entrance>>, mut request: Request, next: Next) -> Response {
    let origin = match entrance.place.check(request.headers(), request.uri()) {
        Ok(origin) => origin,
        Err(refusal) => return refusal.into_response(),
    };
    if let Some(response) = preflight(&request, origin.as_ref()) {
        return response;
    }
    let response = match entrance.admit(&mut request) {
        Err(refusal) => refusal.into_response(),
        Ok(()) => match entrance.read(request).await {
            Err(refusal) => refusal.into_response(),
            Ok((request, message)) => in_json_rpc(next.run(request).await, &message).await,
        },
    };
    shared(response, origin)
}

/// The life of a request to a guarded route beside the endpoint.
async fn pass(State(entrance): State<Arc<Entrance>>, mut request: Request, next: Next) -> Response {
    let allowed = entrance.place.check(request.headers(), request.uri()).and_then(|_| entrance.admit(&mut request));
    match allowed {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// The life of a request to an open route.
async fn look(State(entrance): State<Arc<Entrance>>, request: Request, next: Next) -> Response {
    let origin = match entrance.place.check(request.headers(), request.uri()) {
        Ok(origin) => origin,
        Err(refusal) => return refusal.into_response(),
    };
    match preflight(&request, origin.as_ref()) {
        Some(response) => response,
        None => shared(next.run(request).await, origin),
    }
}

/// The answer to a browser that asks before it lets a page of an allowed origin call.
fn preflight(request: &Request, origin: Option<&HeaderValue>) -> Option<Response> {
    let asks = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let origin = origin.filter(|_| asks && request.method() == Method::OPTIONS)?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    place::share(response.headers_mut(), origin.clone(), true);
    Some(response)
}

fn shared(mut response: Response, origin: Option<HeaderValue>) -> Response {
    if let Some(origin) = origin {
        place::share(response.headers_mut(), origin, false);
    }
    response
}

/// Checks in which form the body comes, and in which forms the answer may go.
fn check_content(headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let essence = text(header::CONTENT_TYPE).map(|value| value.split(';').next().unwrap_or_default().trim());
    if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        let problem = Problem::invalid("the body is not application/json")
            .next("send Content-Type: application/json")
            .at("Content-Type");
        return Err(Refusal::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, problem));
    }
    if text(header::CONTENT_ENCODING).is_some_and(|encoding| !encoding.trim().eq_ignore_ascii_case("identity")) {
        let problem =
            Problem::invalid("compressed bodies are not taken").next("send it as it is").at("Content-Encoding");
        return Err(Refusal::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, problem));
    }
    let accepted: Vec<String> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .collect();
    let both = ["application/json", "text/event-stream"];
    if both.iter().all(|wanted| accepted.iter().any(|range| range == wanted)) {
        return Ok(());
    }
    let problem = Problem::invalid("the client must accept both application/json and text/event-stream")
        .next("send Accept: application/json, text/event-stream")
        .at("Accept");
    Err(Refusal::http(StatusCode::NOT_ACCEPTABLE, problem))
}

async fn collect(body: Body) -> Result<bytes::Bytes, Refusal> {
    let reading = tokio::time::timeout(BODY_WITHIN, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    match reading {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let cause = format!("the body has more than {BODY_BYTES_MAX} bytes");
            let problem = Problem::new(Kind::TooLarge, cause).next("send less");
            Err(Refusal::http(StatusCode::PAYLOAD_TOO_LARGE, problem))
        }
        Ok(Err(_)) => Err(Refusal::http(StatusCode::BAD_REQUEST, Problem::invalid("the body was cut short"))),
        Err(_) => {
            let cause = format!("the body did not arrive within {} s", BODY_WITHIN.as_secs());
            Err(Refusal::http(StatusCode::REQUEST_TIMEOUT, Problem::new(Kind::Timeout, cause)))
        }
    }
}

/// An error that the library tells in plain text, as JSON-RPC.
async fn in_json_rpc(response: Response, message: &Message) -> Response {
    let status = response.status();
    let content = response.headers().get(header::CONTENT_TYPE);
    let is_json = content.is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    if is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let body = axum::body::to_bytes(response.into_body(), PLAIN_BYTES_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    if status.is_server_error() {
        tracing::error!(%status, cause = %domain::text::printable(&text, 300), method = %message.method, "mcp request failed");
        let text = "the server could not answer; its log says why";
        return refusal::of_plain(status, text, message.id.as_ref()).into_response();
    }
    refusal::of_plain(status, &text, message.id.as_ref()).into_response()
}
