//! Why an attempt gave no answer, and whose fault that is.
//!
//! | What came | Means | Asked again | Counts against the replica |
//! |---|---|---|---|
//! | 2xx, 501, other 4xx | an answer | no | no |
//! | 429, 503 | busy | elsewhere | no |
//! | 401, 403, 407 | it does not let this gateway in | elsewhere | yes |
//! | other 5xx, 3xx, an error in the stream, nonsense | a fault | elsewhere | unless a second one has the same |
//! | nothing in time | slow | elsewhere | unless a second one is, too |
//! | the connection broke | it may have died | elsewhere | unless a second one did, and both live |
//! | no connection | nothing listens, or it cannot be reached | elsewhere | yes |
//! | no descriptor or port here | our own limit | no | no |
//!
//! What two replicas do in the same way is the request's fault: then the error is passed on, and neither is counted.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use llm::sse;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::meter::RetryReason;
use crate::pool::UpstreamError;

/// Most bytes of a fault's description that are read, and for how long.
const FAULT_MAX_BYTES: usize = 64 << 10;
const FAULT_TIME: Duration = Duration::from_secs(2);

/// Why an attempt gave no answer. Another replica may do better.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It has no room: not a fault.
    Busy { status: StatusCode, retry_after_seconds: Option<u64> },
    /// Nothing listens there: the request was not sent.
    Refused,
    /// It could not be connected to: the request was not sent.
    Unreachable,
    /// This process has no descriptor or port left for a connection.
    Exhausted,
    /// The connection broke while it had the request. Proven: nothing listens there any more, or probes gave it up.
    Died { why: &'static str, is_proven: bool },
    /// It took too long.
    Slow,
    /// It answered with a fault.
    Faulty(Box<Fault>),
    /// It does not let the gateway in: its credential is another.
    Unwelcome(StatusCode),
}

/// A fault as a replica described it.
#[derive(Debug)]
pub(crate) struct Fault {
    why: &'static str,
    status: StatusCode,
    /// The error's code, when it names one.
    code: Option<String>,
    /// What can be passed on.
    pub(crate) answer: Option<(response::Parts, Bytes)>,
}

/// What a status means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Answer,
    Busy,
    Fault,
    Unwelcome,
}

/// What a status of a replica means.
pub(crate) fn meaning(status: StatusCode) -> Meaning {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Meaning::Busy,
        // The caller's credential is not passed on, so that this is about the gateway's.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Meaning::Unwelcome
        }
        // What is not implemented here is not implemented on its twin either.
        StatusCode::NOT_IMPLEMENTED => Meaning::Answer,
        status if status.is_success() || status.is_client_error() => Meaning::Answer,
        _ => Meaning::Fault,
    }
}

/// Reads how a replica describes its fault.
pub(crate) async fn fault(response: Response<Incoming>) -> Fault {
    let (head, body) = response.into_parts();
    let read = timeout(FAULT_TIME, Limited::new(body, FAULT_MAX_BYTES).collect()).await;
    let body = read.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes);
    let code = body.as_deref().and_then(code_of);
    // A redirection leads to where the client cannot go.
    let answer = body.filter(|_| head.status.is_server_error()).map(|body| (head.clone(), body));
    Fault { why: "the replica answered", status: head.status, code, answer }
}

impl Fault {
    /// A fault without a description.
    pub(crate) fn of(why: &'static str) -> Self {
        Self { why, status: StatusCode::OK, code: None, answer: None }
    }

    /// An error that a stream brought before any content.
    pub(crate) fn in_stream(held: &[u8]) -> Self {
        let mut events = held.split_inclusive(|byte| *byte == b'\n').filter_map(sse::data);
        let error = events.rfind(|event| error_of(event).is_some());
        let (mut head, ()) = Response::new(()).into_parts();
        head.status = StatusCode::INTERNAL_SERVER_ERROR;
        head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer = error.map(|error| (head, Bytes::copy_from_slice(error)));
        let why = "the replica reported an error";
        Self { why, status: StatusCode::OK, code: error.and_then(code_of), answer }
    }
}

#[derive(Deserialize)]
struct ErrorObject<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

fn error_of(body: &[u8]) -> Option<&RawValue> {
    serde_json::from_slice::<ErrorObject<'_>>(body).ok()?.error
}

/// The code of an error object, or its type.
fn code_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct ErrorBody {
        code: Option<serde_json::Value>,
        r#type: Option<serde_json::Value>,
    }
    let error: ErrorBody = serde_json::from_str(error_of(body)?.get()).ok()?;
    error.code.or(error.r#type).map(|code| code.to_string())
}

impl Failure {
    pub(crate) fn reason(&self) -> RetryReason {
        match self {
            Self::Busy { .. } => RetryReason::Busy,
            Self::Refused => RetryReason::Refused,
            Self::Unreachable | Self::Died { is_proven: false, .. } => RetryReason::Lost,
            Self::Slow | Self::Died { .. } => RetryReason::Stalled,
            Self::Faulty(_) | Self::Unwelcome(_) => RetryReason::Status,
            Self::Exhausted => RetryReason::Exhausted,
        }
    }

    /// Whether two replicas failed in the same way, which the request may have caused.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Died { .. }, Self::Died { .. }) | (Self::Slow, Self::Slow) => true,
            (Self::Faulty(one), Self::Faulty(other)) => {
                (one.why, one.status, &one.code) == (other.why, other.status, &other.code)
            }
            _ => false,
        }
    }
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Refused => Self::Refused,
            UpstreamError::ConnectTimeout | UpstreamError::Unreachable => Self::Unreachable,
            UpstreamError::Exhausted => Self::Exhausted,
            UpstreamError::Lost => Self::Died { why: "the connection to the replica was lost", is_proven: false },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { status, .. } => write!(f, "the replica is busy ({})", status.as_u16()),
            Self::Refused => f.write_str("the replica refused the connection"),
            Self::Unreachable => f.write_str("the replica could not be connected to"),
            Self::Exhausted => f.write_str("the gateway cannot open another connection"),
            Self::Died { why, .. } => f.write_str(why),
            Self::Slow => f.write_str("the replica gave no answer in time"),
            Self::Faulty(fault) if fault.status == StatusCode::OK => f.write_str(fault.why),
            Self::Faulty(fault) => write!(f, "{} {}", fault.why, fault.status.as_u16()),
            Self::Unwelcome(status) => write!(f, "the replica does not let the gateway in ({})", status.as_u16()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every status that there can be.
    #[test]
    fn a_fault_of_the_request_is_none_of_the_replica() {
        for code in 100..=599 {
            let status = StatusCode::from_u16(code).expect("a status");
            let expected = match code {
                429 | 503 => Meaning::Busy,
                401 | 403 | 407 => Meaning::Unwelcome,
                200..=299 | 400..=499 | 501 => Meaning::Answer,
                _ => Meaning::Fault,
            };
            assert_eq!(meaning(status), expected, "{code}");
        }
    }

    #[test]
    fn an_error_in_a_stream_is_found_and_told_apart_by_its_code() {
        let role = "data: {\"choices\":[]}\n\n: ping\n\n";
        let of =
            |code: &str| Fault::in_stream(format!("{role}data: {{\"error\":{{\"code\":{code}}}}}\r\n\r\n").as_bytes());
        let fault = of("\"a\"");
        let (head, body) = fault.answer.as_ref().expect("it can be passed on");
        assert_eq!((head.status.as_u16(), &body[..]), (500, &br#"{"error":{"code":"a"}}"#[..]));
        let failure = |code| Failure::Faulty(Box::new(of(code)));
        assert!(failure("\"a\"").is_like(&failure("\"a\"")));
        assert!(!failure("\"a\"").is_like(&failure("7")) && !failure("null").is_like(&Failure::Slow));
    }
}
