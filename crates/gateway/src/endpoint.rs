//! The paths that the gateway answers.

use http::Method;

use crate::refusal::Refusal;

/// What is passed on to replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Chat,
    Completions,
    Embeddings,
}

impl Endpoint {
    pub(crate) const ALL: [Self; 3] = [Self::Chat, Self::Completions, Self::Embeddings];

    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Embeddings => "/v1/embeddings",
        }
    }
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Infer(Endpoint),
    Models,
    Model(String),
    Health,
    Metrics,
    /// Which methods a path knows.
    Options(&'static str),
}

/// What each kind of path knows.
const READ: &str = "GET, HEAD, OPTIONS";
const WRITE: &str = "POST, OPTIONS";

/// The route of a method and a path.
pub(crate) fn route(method: &Method, path: &str) -> Result<Route, Refusal> {
    let route = exact(path).or_else(|| exact(&plain(path)?)).ok_or_else(|| unknown(path))?;
    let is_write = matches!(route, Route::Infer(_));
    let allow = if is_write { WRITE } else { READ };
    match *method {
        Method::POST if is_write => Ok(route),
        // The answer to HEAD is that to GET; its body is left out where answers are written.
        Method::GET | Method::HEAD if !is_write => Ok(route),
        Method::OPTIONS => Ok(Route::Options(allow)),
        _ => Err(Refusal::wrong_method(allow)),
    }
}

fn exact(path: &str) -> Option<Route> {
    Some(match path {
        "/v1/chat/completions" => Route::Infer(Endpoint::Chat),
        "/v1/completions" => Route::Infer(Endpoint::Completions),
        "/v1/embeddings" => Route::Infer(Endpoint::Embeddings),
        "/v1/models" => Route::Models,
        "/health" => Route::Health,
        "/metrics" => Route::Metrics,
        _ => {
            let model = path.strip_prefix("/v1/models/").filter(|model| !model.is_empty() && !model.contains('/'))?;
            Route::Model(model.replace("%3A", ":").replace("%3a", ":"))
        }
    })
}

/// The path without empty segments, which a base URL with a slash too many makes. Nothing when it is that already.
fn plain(path: &str) -> Option<String> {
    if !path.contains("//") && !path.ends_with('/') {
        return None;
    }
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    Some(segments.fold(String::with_capacity(path.len()), |path, segment| path + "/" + segment))
}

/// What was probably meant: a base URL has `/v1` twice, or not at all.
fn unknown(path: &str) -> Refusal {
    let plain = plain(path);
    let path = plain.as_deref().unwrap_or(path);
    let mut rest = path;
    while let Some(shorter) = rest.strip_prefix("/v1").filter(|shorter| shorter.starts_with('/')) {
        rest = shorter;
    }
    let meant = Endpoint::ALL.map(Endpoint::path).into_iter().chain(["/v1/models"]);
    let meant = meant.into_iter().find(|known| known.strip_prefix("/v1") == Some(rest));
    match meant {
        Some(known) => Refusal::unknown_path_but(&format!("{known} does: the client's base URL must end in /v1, once")),
        None => Refusal::unknown_path(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_too_many_does_no_harm() {
        let chat = Route::Infer(Endpoint::Chat);
        for path in
            ["/v1/chat/completions", "//v1/chat/completions", "/v1/chat/completions/", "/v1//chat///completions//"]
        {
            assert_eq!(route(&Method::POST, path), Ok(chat.clone()), "{path}");
        }
        assert_eq!(route(&Method::GET, "/v1/models/"), Ok(Route::Models));
        assert_eq!(route(&Method::HEAD, "//v1//models/demo%3A1.0"), Ok(Route::Model("demo:1.0".to_owned())));
    }

    #[test]
    fn a_wrong_path_is_told_the_right_one() {
        for (path, hint) in [
            ("/v1/v1/chat/completions", "/v1/chat/completions"),
            ("/v1/v1/v1/models", "/v1/models"),
            ("/chat/completions", "/v1/chat/completions"),
            ("//embeddings/", "/v1/embeddings"),
            ("/v1/nonesuch", "under /v1"),
            ("/", "under /v1"),
            ("/v1", "under /v1"),
        ] {
            let refusal = route(&Method::POST, path).expect_err(path);
            assert!(refusal.status == 404 && refusal.message.contains(hint), "{path}: {}", refusal.message);
        }
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        for (method, path, allow) in [
            (Method::GET, "/v1/chat/completions", WRITE),
            (Method::HEAD, "/v1/embeddings", WRITE),
            (Method::POST, "/v1/models", READ),
            (Method::DELETE, "/health", READ),
            (Method::TRACE, "/metrics", READ),
        ] {
            let refusal = route(&method, path).expect_err(path);
            assert_eq!((refusal.status.as_u16(), refusal.allow), (405, Some(allow)), "{method} {path}");
        }
        assert_eq!(route(&Method::OPTIONS, "/v1/models"), Ok(Route::Options(READ)));
    }
}
