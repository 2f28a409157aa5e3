//! Which methods are served: those of the features that the server declares, each in the revisions that have it.

use domain::text::printable;
use domain::{Kind, Problem};
use http::StatusCode;
use rmcp::model::{
    CallToolRequestParams, CompleteRequestParams, GetPromptRequestParams, InitializeRequestParams,
    PaginatedRequestParams, ReadResourceRequestParams, ServerCapabilities, SubscribeRequestParams,
    SubscriptionsListenRequestParams, UnsubscribeRequestParams,
};
use serde_json::{Map, Value};

use super::message::Message;
use super::params;
use super::refusal::{METHOD_NOT_FOUND, Refusal};
use super::version::Era;

type Declared = fn(&ServerCapabilities) -> bool;
type Check = fn(&Map<String, Value>) -> Result<(), Refusal>;

/// A method, the eras that have it, the feature it belongs to, and the form of its params.
struct Method {
    name: &'static str,
    eras: &'static [Era],
    declared: Declared,
    check: Check,
}

const fn method(name: &'static str, eras: &'static [Era], declared: Declared, check: Check) -> Method {
    Method { name, eras, declared, check }
}

const OLD: &[Era] = &[Era::Handshake];
const NEW: &[Era] = &[Era::PerRequest];
const BOTH: &[Era] = &[Era::Handshake, Era::PerRequest];

const METHODS: &[Method] = &[
    method("initialize", OLD, always, params::of::<InitializeRequestParams>),
    method("ping", OLD, always, params::any),
    method("server/discover", NEW, always, params::any),
    method("tools/list", BOTH, tools, params::of::<PaginatedRequestParams>),
    method("tools/call", BOTH, tools, params::of::<CallToolRequestParams>),
    method("prompts/list", BOTH, prompts, params::of::<PaginatedRequestParams>),
    method("prompts/get", BOTH, prompts, params::of::<GetPromptRequestParams>),
    method("resources/list", BOTH, resources, params::of::<PaginatedRequestParams>),
    method("resources/templates/list", BOTH, resources, params::of::<PaginatedRequestParams>),
    method("resources/read", BOTH, resources, params::of::<ReadResourceRequestParams>),
    method("resources/subscribe", OLD, subscribe, params::of::<SubscribeRequestParams>),
    method("resources/unsubscribe", OLD, subscribe, params::of::<UnsubscribeRequestParams>),
    method("completion/complete", BOTH, completions, params::of::<CompleteRequestParams>),
    method("logging/setLevel", OLD, logging, params::any),
    method("subscriptions/listen", NEW, changes, params::of::<SubscriptionsListenRequestParams>),
];

fn always(_: &ServerCapabilities) -> bool {
    true
}
fn tools(server: &ServerCapabilities) -> bool {
    server.tools.is_some()
}
fn prompts(server: &ServerCapabilities) -> bool {
    server.prompts.is_some()
}
fn resources(server: &ServerCapabilities) -> bool {
    server.resources.is_some()
}
fn subscribe(server: &ServerCapabilities) -> bool {
    server.resources.as_ref().is_some_and(|resources| resources.subscribe == Some(true))
}
fn completions(server: &ServerCapabilities) -> bool {
    server.completions.is_some()
}
fn logging(server: &ServerCapabilities) -> bool {
    server.logging.is_some()
}
/// Whether there is anything whose changes could be told.
fn changes(server: &ServerCapabilities) -> bool {
    let declared = [
        server.tools.as_ref().and_then(|tools| tools.list_changed),
        server.prompts.as_ref().and_then(|prompts| prompts.list_changed),
        server.resources.as_ref().and_then(|resources| resources.list_changed),
        server.resources.as_ref().and_then(|resources| resources.subscribe),
    ];
    declared.contains(&Some(true))
}

/// Checks that a request is for a method that is served, with params of its form. Notifications pass: nobody waits for
/// an answer to them.
pub(super) fn check(message: &mut Message, era: Era, server: &ServerCapabilities) -> Result<(), Refusal> {
    params::check_meta(&mut message.params)?;
    if message.id.is_none() {
        return Ok(());
    }
    let served =
        |method: &&Method| method.name == message.method && method.eras.contains(&era) && (method.declared)(server);
    match METHODS.iter().find(served) {
        Some(method) => (method.check)(&message.params),
        None => Err(not_found(&message.method, era)),
    }
}

/// Longest name of a method that is quoted, in characters.
const QUOTED_CHARS_MAX: usize = 64;

fn not_found(method: &str, era: Era) -> Refusal {
    let status = if era == Era::PerRequest { StatusCode::NOT_FOUND } else { StatusCode::OK };
    let cause = format!("the method {:?} is not served", printable(method, QUOTED_CHARS_MAX));
    let problem = Problem::new(Kind::Unsupported, cause)
        .next("call only what the server's capabilities declare, in a protocol revision that has it")
        .at("method");
    Refusal::new(status, METHOD_NOT_FOUND, problem)
}
