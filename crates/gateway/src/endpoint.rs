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
}

/// The route of a method and a path.
pub(crate) fn route(method: &Method, path: &str) -> Result<Route, Refusal> {
    let (route, expected, allow) = match path {
        "/v1/chat/completions" => (Route::Infer(Endpoint::Chat), Method::POST, "POST"),
        "/v1/completions" => (Route::Infer(Endpoint::Completions), Method::POST, "POST"),
        "/v1/embeddings" => (Route::Infer(Endpoint::Embeddings), Method::POST, "POST"),
        "/v1/models" => (Route::Models, Method::GET, "GET"),
        "/health" => (Route::Health, Method::GET, "GET"),
        "/metrics" => (Route::Metrics, Method::GET, "GET"),
        _ => match path.strip_prefix("/v1/models/") {
            Some(model) if !model.is_empty() => (Route::Model(model.replace("%3A", ":")), Method::GET, "GET"),
            _ => return Err(Refusal::unknown_path()),
        },
    };
    if *method == expected { Ok(route) } else { Err(Refusal::wrong_method(allow)) }
}
