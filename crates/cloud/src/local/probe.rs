//! Asking instances how they are: where they listen, from the file they write when ready; then `/health`.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio::time::Instant;

use super::process;
use super::world::{Question, Said, World};

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Most questions at one time.
const AT_ONCE: usize = 64;

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
}

/// Asks all that are due.
pub(super) async fn ask_all(world: &World, root: &Path, http: &reqwest::Client) {
    let questions = world.questions(Instant::now());
    futures_util::stream::iter(questions)
        .for_each_concurrent(AT_ONCE, |question| ask(world, root, http, question))
        .await;
}

async fn ask(world: &World, root: &Path, http: &reqwest::Client, question: Question) {
    let instance = &question.instance;
    let url = match question.url {
        Some(url) => url,
        None => {
            let Some(url) = read_url(root, instance).await else { return };
            world.listens(instance, url.clone());
            url
        }
    };
    let said = fetch_health(http, &url, instance).await;
    world.answered(instance, said, Instant::now());
}

async fn read_url(root: &Path, instance: &str) -> Option<String> {
    let text = tokio::fs::read(process::folder(root, instance).join("ready.json")).await.ok()?;
    let ready: ReadyFile = serde_json::from_slice(&text).ok()?;
    (ready.instance_id == instance).then(|| format!("http://127.0.0.1:{}", ready.port))
}

async fn fetch_health(http: &reqwest::Client, url: &str, instance: &str) -> Option<Said> {
    let response = http.get(format!("{url}/health")).timeout(ANSWER_WITHIN).send().await.ok()?;
    let serves = response.status().is_success();
    let health: Health = response.json().await.ok()?;
    // Another process may have been given the port of one that died.
    if health.instance_id.is_some_and(|id| id != instance) {
        return None;
    }
    Some(if serves && health.status == "ok" { Said::Ok } else { Said::Busy })
}
