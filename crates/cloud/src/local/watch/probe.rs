//! Asking instances how they are: where they listen, from the file they write when ready; then `/health`.

use std::path::Path;
use std::time::Duration;

use domain::Secret;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde::Deserialize;
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use super::{Answer, Question, Said, World};
use crate::local::process;

/// How often it is looked whom to ask.
const ROUND_EVERY: Duration = Duration::from_millis(50);
/// Most questions at one time.
const AT_ONCE: usize = 256;
/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What a model service writes when it serves.
#[derive(Deserialize)]
struct ReadyFile {
    port: u16,
    instance_id: String,
}

/// The part of a model service's `/health` that matters here.
#[derive(Deserialize)]
struct Health {
    status: String,
    instance_id: Option<String>,
    steps: Option<u64>,
}

/// Who is asked, where they are found, and what they are shown.
pub(in super::super) struct Asking<'a> {
    pub world: &'a World,
    pub root: &'a Path,
    pub credential: &'a Secret,
    pub http: reqwest::Client,
}

/// Asks all instances, again and again, until `shutdown`. One that is slow to answer delays no other.
pub(in super::super) async fn ask_all(asking: &Asking<'_>, shutdown: CancellationToken) {
    let mut rounds = tokio::time::interval(ROUND_EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            Some(()) = asked.next(), if !asked.is_empty() => {}
            _ = rounds.tick() => {
                let questions = asking.world.questions(AT_ONCE.saturating_sub(asked.len()));
                asked.extend(questions.into_iter().map(|question| ask(asking, question)));
            }
        }
    }
}

async fn ask(asking: &Asking<'_>, question: Question) {
    let world = asking.world;
    let instance = &question.instance;
    let url = match question.url {
        Some(url) => url,
        None => {
            let Some(url) = read_url(asking.root, instance).await else {
                return world.answered(instance, Answer::NotThere);
            };
            world.listens(instance, url.clone());
            url
        }
    };
    let begun = world.pulse.now();
    let answer = timeout(question.patience, fetch_health(asking, &url, instance)).await;
    let answer = answer.unwrap_or_else(|_| {
        // Nine tenths: the clock of running time moves in steps.
        let waited_ms = u128::from(world.pulse.now().since(begun));
        if waited_ms * 10 >= question.patience.as_millis() * 9 { Answer::None } else { Answer::Unknown }
    });
    world.answered(instance, answer);
}

async fn read_url(root: &Path, instance: &str) -> Option<String> {
    let text = tokio::fs::read(process::folder(root, instance).join("ready.json")).await.ok()?;
    let ready: ReadyFile = serde_json::from_slice(&text).ok()?;
    (ready.instance_id == instance).then(|| format!("http://127.0.0.1:{}", ready.port))
}

async fn fetch_health(asking: &Asking<'_>, url: &str, instance: &str) -> Answer {
    let request = asking.http.get(format!("{url}/health")).bearer_auth(asking.credential.reveal());
    let Ok(mut response) = request.send().await else { return Answer::None };
    let serves = response.status().is_success();
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            return Answer::None;
        }
        body.extend_from_slice(&piece);
    }
    let Ok(health) = serde_json::from_slice::<Health>(&body) else { return Answer::None };
    // Another process may have been given the port of one that died.
    if health.instance_id.is_some_and(|id| id != instance) {
        return Answer::None;
    }
    let said = match health.status.as_str() {
        "ok" if serves => Said::Ok,
        "stalled" => Said::Stalled,
        _ => Said::Busy,
    };
    Answer::Said(said, health.steps)
}
