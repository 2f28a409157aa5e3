//! The request path, on one screen.
//!
//! authenticate → admit → read → authorise → fit the context window → pick a replica, call, fail over → stream →
//! settle → record. Admission stands before the body is read, for it is the body that takes the room; authorisation
//! after it, for the model's name is in the body. Settling and recording happen when the [`Ticket`] is dropped, which no
//! way out of here can avoid: an error, a client that leaves, a stream that ends.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, request};
use listener::Body as RequestBody;
use tokio::time::timeout_at;

use crate::attempt::Outgoing;
use crate::authenticate::{authorise, identify};
use crate::body::Body;
use crate::endpoint::Endpoint;
use crate::failover;
use crate::headers::outgoing_headers;
use crate::prompt::PromptOutline;
use crate::read::read_body;
use crate::refusal::Refusal;
use crate::request::{apply, ask_for_usage, name_model, outline};
use crate::respond::{respond, respond_early};
use crate::salt::Salt;
use crate::settle::Ticket;
use crate::shared::Shared;
use crate::window;

/// Answers a request for inference, or refuses it. The ticket goes on with the answer.
pub(crate) async fn infer(
    shared: &Arc<Shared>,
    endpoint: Endpoint,
    request: Request<RequestBody>,
    ticket: &mut Option<Ticket>,
) -> Result<Response<Body>, Refusal> {
    let Some(record) = ticket.as_mut() else { return Err(Refusal::unknown_path()) };
    let (head, body) = request.into_parts();

    // Authenticate: the hash of the key must be in the snapshot.
    let table = shared.table.load_full();
    let (key, caller) = identify(&table, &head.headers, shared.clock.now())?;

    // Admit: a place among the requests in hand, and room for the body while it is read, within the share of one key.
    let admitted = record.admitted.insert(shared.admission.admit(key)?);
    let body = read_body(body, &shared.config, admitted).await?;

    // Authorise: the model exists, and the key covers it.
    let outline = outline(&body)?;
    let model = authorise(&table, caller, &outline.model)?;
    record.for_model(model);

    // Fit: oldest turns are dropped whole when the conversation is longer than the model's window.
    let fitted = window::fit(model, endpoint, &outline, &body, shared.clock.now()).await?;

    // Salt: what replicas have computed of one project's prompts is not reused for another's.
    let salt = Salt::of(caller, model);

    // Outline: how long the prompt is and what it begins with, by which a replica is chosen.
    let prompt = PromptOutline::of(model, endpoint, &outline, &body, &fitted, &salt);

    // Edit: the model's own name, the messages that fit, and the usage of a stream, so that it can be metered.
    let ask_usage = ask_for_usage(&body, &outline);
    let strip_usage = ask_usage.is_some();
    let edits = [name_model(&body, &outline, &model.alias_json), fitted.edit, ask_usage];
    let body = apply(body, edits.into_iter().flatten().collect());

    // Pick, call, fail over: until the first content nothing is sent, and another replica can take over unseen.
    let mut headers = outgoing_headers(&head);
    salt.mark(&mut headers);
    let call = Outgoing { endpoint, headers, body, stream: outline.stream, strip_usage, prompt };
    let mut answer = Box::pin(failover::answer(Arc::clone(shared), Arc::clone(model), call));
    let hold = if outline.stream { shared.config.hold_ms } else { shared.config.request_ms };
    let answered = match timeout_at(record.began() + Duration::from_millis(hold), &mut answer).await {
        Ok(answered) => answered?,
        Err(_) if !outline.stream => return Err(Refusal::deadline()),
        // Stream before the content: the head goes out, comments keep the connection alive, failover goes on.
        Err(_) => return Ok(respond_early(answer, ticket, shared, fitted.headers)),
    };

    // Stream; settle and record at its end.
    Ok(respond(answered, ticket, shared, fitted.headers))
}

/// The parts of a request's head that later stages use.
pub(crate) type Head = request::Parts;
