//! A client of the control plane's REST API.

use std::time::Duration;

use control::api::types::{ErrorBody, ListOf};
use domain::{Kind, Problem};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::paths::DataDir;
use crate::{running, secret_file};

/// Longest wait for one answer: a plan asks every cloud.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Longest wait for the registration of a model, whose file is read from end to end.
const SLOW_TIMEOUT: Duration = Duration::from_secs(3 * 3_600);
/// Largest answer that is read, in bytes.
const ANSWER_MAX_BYTES: usize = 256 << 20;

/// A client of one control plane.
#[derive(Debug, Clone)]
pub struct Rest {
    http: reqwest::Client,
    base: String,
    token: String,
    timeout: Duration,
}

impl Rest {
    /// A client of the program that runs over this data folder.
    pub fn of(data_dir: &DataDir) -> Result<Self, Problem> {
        let running = running::find(data_dir)?.ok_or_else(|| {
            Problem::new(Kind::Unavailable, format!("no mcp runs over {}", data_dir.root().display()))
                .next("start it with 'mcp up', or name its folder with --data-dir")
        })?;
        let token = secret_file::read(&data_dir.admin_token())?.ok_or_else(|| {
            Problem::new(Kind::Unauthenticated, "the admin token is missing")
                .next("restart with 'mcp down' and 'mcp up'")
        })?;
        Self::new(&format!("http://{}", running.listen.control), token)
    }

    /// A client of the control plane at `base`.
    pub fn new(base: &str, token: String) -> Result<Self, Problem> {
        let http = reqwest::Client::builder().build().map_err(|e| Problem::internal(e.to_string()))?;
        Ok(Self { http, base: base.to_owned(), token, timeout: TIMEOUT })
    }

    /// Reads.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        self.call(Method::GET, path, None::<&()>).await
    }

    /// Reads several.
    pub async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Problem> {
        self.get::<ListOf<T>>(path).await.map(|list| list.items)
    }

    /// Creates.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &(impl Serialize + Sync)) -> Result<T, Problem> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Creates what takes as long as a file takes to read.
    pub async fn post_slowly<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, Problem> {
        let slow = Self { timeout: SLOW_TIMEOUT, ..self.clone() };
        slow.post(path, body).await
    }

    /// Changes.
    pub async fn patch<T: DeserializeOwned>(&self, path: &str, body: &(impl Serialize + Sync)) -> Result<T, Problem> {
        self.call(Method::PATCH, path, Some(body)).await
    }

    /// Removes; the answer's body, if it has one, is not looked at.
    pub async fn delete(&self, path: &str) -> Result<(), Problem> {
        self.text(Method::DELETE, path, None::<&()>).await.map(|_| ())
    }

    /// Removes, and reads what is said of it.
    pub async fn delete_for<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        self.call(Method::DELETE, path, None::<&()>).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, Problem> {
        let text = self.text(method, path, body).await?;
        serde_json::from_str(&text).map_err(|e| {
            Problem::internal(format!("the control plane's answer to {path} cannot be read: {e}"))
                .next("use the mcp of the same version as the one that runs")
        })
    }

    async fn text(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<String, Problem> {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        request = request.timeout(self.timeout);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| {
            Problem::new(Kind::Unavailable, format!("the control plane does not answer: {}", error.without_url()))
                .next("see 'mcp doctor'")
        })?;
        let status = response.status();
        let text = body_of(response).await?;
        if status.is_success() {
            return Ok(text);
        }
        Err(serde_json::from_str::<ErrorBody>(&text)
            .map_or_else(|_| Problem::internal(format!("the control plane answered {status}")), |body| body.error))
    }
}

/// The body, if it is not larger than any answer can be.
async fn body_of(mut response: reqwest::Response) -> Result<String, Problem> {
    let lost = |e: reqwest::Error| Problem::new(Kind::Unavailable, e.without_url().to_string());
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(lost)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > ANSWER_MAX_BYTES {
            let cause = format!("the control plane's answer is larger than {ANSWER_MAX_BYTES} bytes");
            return Err(Problem::new(Kind::TooLarge, cause).next("ask for less"));
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A path segment that may hold any character.
#[must_use]
pub fn segment(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
