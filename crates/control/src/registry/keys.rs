//! Keys that clients call the gateway with: the secret is shown once, and only its hash is kept.

use domain::text::{LABEL_MAX_CHARS, printable};
use domain::{Name, Problem, Timestamp};
use serde::{Deserialize, Serialize};
use state::objects::{Stored, Versioned, delete, get, list, put};
use state::{Batch, Expect, Write};

use super::{conflict, name_at, room};
use crate::api::types::{ChangeKey, Confirmation, CreateKey, KeyCreated, KeyView, RotateKey};
use crate::world::World;

/// Most keys that are kept: all of them travel in every routing snapshot.
const KEYS_MAX: usize = 10_000;
/// Longest life of a key that expires, in seconds: a hundred years.
const LIFE_MAX_SECONDS: u64 = 100 * 366 * 24 * 3_600;
/// Most models that one key names.
const MODELS_MAX: usize = 100;

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its public id, safe to log.
    pub id: String,
    /// The name its maker gave it.
    pub name: String,
    /// The hash of its secret.
    pub hash: String,
    /// Models it may call, `name` or `name:version`; empty means all.
    pub models: Vec<String>,
    /// The project whose keys share what replicas have computed of a prompt; without one it shares with no other key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Name>,
    /// After this instant it no longer works.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Stored for ApiKey {
    const KIND: &'static str = "api_key";
    fn object_name(&self) -> String {
        self.id.clone()
    }
}

/// Makes a key. The answer holds the secret, which is nowhere else.
pub(crate) async fn create(world: &World, request: CreateKey) -> Result<KeyCreated, Problem> {
    let name = name_at(&request.name, "name")?;
    let project = request.project.as_deref().map(|project| name_at(project, "project")).transpose()?;
    if request.models.len() > MODELS_MAX {
        return Err(Problem::invalid(format!("more than {MODELS_MAX} models")).at("models"));
    }
    for model in &request.models {
        model.split(':').try_for_each(|part| name_at(part, "models").map(drop))?;
    }
    let expires_at = request.expires_in_seconds.map(|seconds| end(world, seconds, "expires_in_seconds")).transpose()?;
    let created_at = world.clock.now();
    let (made, secret) = generate(world);
    let key = ApiKey { name: name.to_string(), models: request.models, project, expires_at, created_at, ..made };
    keep(world, &key, None).await?;
    tracing::info!(key = %key.id, "key created");
    Ok(created(&key, secret))
}

/// Replaces a key: a new one that may do the same, and an end for the old one.
pub(crate) async fn rotate(world: &World, id: &str, request: &RotateKey) -> Result<KeyCreated, Problem> {
    let ends_at = match request.grace_seconds {
        0 => None,
        seconds => Some(end(world, seconds, "grace_seconds")?),
    };
    let found = find(world, id).await?;
    let (made, secret) = generate(world);
    let old = found.value;
    let key = ApiKey {
        id: made.id,
        hash: made.hash,
        created_at: made.created_at,
        // What may be done is the same.
        ..old.clone()
    };
    let replaced = match ends_at {
        None => delete::<ApiKey>(id, Expect::Version(found.version)),
        Some(at) => {
            let expires_at = Some(old.expires_at.map_or(at, |before| before.min(at)));
            put(&ApiKey { expires_at, ..old }, Expect::Version(found.version))?
        }
    };
    keep(world, &key, Some(replaced)).await?;
    tracing::info!(key = %key.id, replaces = %id, "key rotated");
    Ok(created(&key, secret))
}

/// Gives a key another end.
pub(crate) async fn expire(world: &World, id: &str, request: &ChangeKey) -> Result<ApiKey, Problem> {
    let expires_at = Some(end(world, request.expires_in_seconds, "expires_in_seconds")?);
    let found = find(world, id).await?;
    let key = ApiKey { expires_at, ..found.value };
    world.store.commit(Batch::new().with(put(&key, Expect::Version(found.version))?)).await?;
    tracing::info!(key = %key.id, "key expires");
    Ok(key)
}

/// Writes a key that is new, and with it the end of the one that it replaces, if there is room for it.
async fn keep(world: &World, key: &ApiKey, replaced: Option<Write>) -> Result<(), Problem> {
    let _growing = world.growing.lock().await;
    if list::<ApiKey>(&*world.store).await?.len() >= KEYS_MAX {
        return Err(conflict(format!("there are {KEYS_MAX} keys already"), "revoke some with 'mcp key revoke'"));
    }
    room::check(world, |inputs| inputs.keys.push(key.clone())).await.map_err(|problem| problem.at("models"))?;
    let mut batch = Batch::new().with(put(key, Expect::Absent)?);
    batch.writes.extend(replaced);
    world.store.commit(batch).await?;
    Ok(())
}

/// A key with nothing but its id and hash, and its secret.
fn generate(world: &World) -> (ApiKey, String) {
    let made = world.chance(access::api_key::generate);
    let created_at = world.clock.now();
    let (id, hash, name, models) = (made.id, made.hash, String::new(), Vec::new());
    let key = ApiKey { id, name, hash, models, project: None, expires_at: None, created_at };
    (key, made.secret)
}

fn created(key: &ApiKey, secret: String) -> KeyCreated {
    KeyCreated { key: view(key), secret, confirmation: Confirmation::default() }
}

/// The instant so many seconds from now.
fn end(world: &World, seconds: u64, field: &str) -> Result<Timestamp, Problem> {
    if !(1..=LIFE_MAX_SECONDS).contains(&seconds) {
        let cause = format!("{seconds} seconds cannot be; between 1 and {LIFE_MAX_SECONDS} can");
        return Err(Problem::invalid(cause).at(field));
    }
    let seconds = i64::try_from(seconds).map_err(|e| Problem::internal(e.to_string()))?;
    Ok(world.clock.now().plus_millis(seconds.saturating_mul(1_000)))
}

async fn find(world: &World, id: &str) -> Result<Versioned<ApiKey>, Problem> {
    get::<ApiKey>(&*world.store, id).await?.ok_or_else(|| {
        let shown = printable(id, LABEL_MAX_CHARS);
        Problem::not_found(format!("no key has the id '{shown}'")).next("list the keys with 'mcp key list'").at("id")
    })
}

/// Revokes a key.
pub(crate) async fn revoke(world: &World, id: &str) -> Result<ApiKey, Problem> {
    let found = find(world, id).await?;
    world.store.commit(Batch::new().with(delete::<ApiKey>(id, Expect::Any))).await?;
    tracing::info!(key = %found.value.id, "key revoked");
    Ok(found.value)
}

/// The key without its hash.
pub(crate) fn view(key: &ApiKey) -> KeyView {
    KeyView {
        id: key.id.clone(),
        name: key.name.clone(),
        models: key.models.clone(),
        project: key.project.clone(),
        expires_at: key.expires_at,
        created_at: key.created_at,
    }
}
