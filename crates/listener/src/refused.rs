//! What the listener refuses by itself, before any service sees it.

use bytes::Bytes;
use domain::{Kind, Problem};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

/// A request that no service gets to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// A line of its head ends with a line feed alone.
    BareLineFeed,
    /// It has both `content-length` and `transfer-encoding`.
    TwoLengths,
    /// HTTP/1.1 without `host`, more than one, or one that is none.
    NoHost,
    /// The name it calls is not one of this listener's.
    ForeignHost,
    /// It expects something else than leave to send its body.
    Expectation,
    /// Its body is encoded in a way that is not decoded here.
    Encoding,
}

impl Refused {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::BareLineFeed | Self::TwoLengths | Self::NoHost => StatusCode::BAD_REQUEST,
            Self::ForeignHost => StatusCode::FORBIDDEN,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    /// A stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::BareLineFeed => "bare_line_feed",
            Self::TwoLengths => "two_lengths",
            Self::NoHost => "invalid_host",
            Self::ForeignHost => "host_not_allowed",
            Self::Expectation => "unknown_expectation",
            Self::Encoding => "unsupported_encoding",
        }
    }

    /// What is wrong.
    #[must_use]
    pub fn cause(self) -> &'static str {
        match self {
            Self::BareLineFeed => "a line of the request's head ends with a line feed alone",
            Self::TwoLengths => "the request has both 'content-length' and 'transfer-encoding'",
            Self::NoHost => "the request has no 'host' header, more than one, or one that names no host",
            Self::ForeignHost => "the 'host' header names another host than this one",
            Self::Expectation => "the 'expect' header asks for something else than '100-continue'",
            Self::Encoding => "the 'content-encoding' of the request is not decoded here",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn next_step(self) -> &'static str {
        match self {
            Self::BareLineFeed => "end each line with a carriage return and a line feed",
            Self::TwoLengths => "send one of them",
            Self::NoHost => "send one 'host' header, as HTTP/1.1 asks",
            Self::ForeignHost => "call it as localhost, or add the name to 'http.hosts' of the configuration",
            Self::Expectation => "leave the header out",
            Self::Encoding => "send the body plain, or as gzip, deflate, br or zstd, at most two of them",
        }
    }

    /// The whole answer in the form of the product's own APIs: `{"error": problem}`.
    #[must_use]
    pub fn into_problem_response(self) -> Response<Full<Bytes>> {
        let kind = if self == Self::ForeignHost { Kind::Forbidden } else { Kind::Invalid };
        let problem = Problem::new(kind, self.cause()).next(self.next_step());
        self.respond(&serde_json::json!({ "error": problem }))
    }

    /// The whole answer in the form of OpenAI's API.
    #[must_use]
    pub fn into_openai_response(self) -> Response<Full<Bytes>> {
        let message = format!("{}: {}", self.cause(), self.next_step());
        self.respond(&serde_json::json!({ "error": {
            "message": message, "type": "invalid_request_error", "param": null, "code": self.code(),
        } }))
    }

    fn respond(self, body: &serde_json::Value) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
        *response.status_mut() = self.status();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    /// The answer as it goes out: nothing more is read from a connection whose requests cannot be told apart.
    pub(crate) fn finish(self, mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
        let headers = response.headers_mut();
        if matches!(self, Self::BareLineFeed | Self::TwoLengths) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if self == Self::Encoding {
            // RFC 9110, section 12.5.3: what would have been decoded.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate, br, zstd"));
        }
        response
    }
}
