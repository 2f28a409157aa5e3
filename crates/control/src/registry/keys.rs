//! Keys that clients call the gateway with: the secret is shown once, and only its hash is kept.

use domain::{Problem, Timestamp};
use serde::{Deserialize, Serialize};
use state::objects::{Stored, delete, get, list, put};
use state::{Batch, Expect};

use super::{conflict, name_at};
use crate::api::types::{CreateKey, KeyCreated, KeyView};
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
    if request.models.len() > MODELS_MAX {
        return Err(Problem::invalid(format!("more than {MODELS_MAX} models")).at("models"));
    }
    for model in &request.models {
        model.split(':').try_for_each(|part| name_at(part, "models").map(drop))?;
    }
    let lives =
        request.expires_in_seconds.map(|seconds| match seconds {
            1..=LIFE_MAX_SECONDS => i64::try_from(seconds).map_err(|e| Problem::internal(e.to_string())),
            _ => Err(Problem::invalid(format!("a key lives between 1 and {LIFE_MAX_SECONDS} seconds"))
                .at("expires_in_seconds")),
        });
    if list::<ApiKey>(&*world.store).await?.len() >= KEYS_MAX {
        return Err(conflict(format!("there are {KEYS_MAX} keys already"), "revoke some with 'mcp key revoke'"));
    }
    let created_at = world.clock.now();
    let expires_at = lives.transpose()?.map(|seconds| created_at.plus_millis(seconds.saturating_mul(1_000)));
    let made = world.chance(access::api_key::generate);
    let key =
        ApiKey { id: made.id, name: name.to_string(), hash: made.hash, models: request.models, expires_at, created_at };
    world.store.commit(Batch::new().with(put(&key, Expect::Absent)?)).await?;
    tracing::info!(key = %key.id, "key created");
    Ok(KeyCreated { key: view(&key), secret: made.secret })
}

/// Revokes a key.
pub(crate) async fn revoke(world: &World, id: &str) -> Result<ApiKey, Problem> {
    let found = get::<ApiKey>(&*world.store, id).await?.ok_or_else(|| {
        Problem::not_found(format!("no key has the id {id:?}")).next("list the keys with 'mcp key list'").at("id")
    })?;
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
        expires_at: key.expires_at,
        created_at: key.created_at,
    }
}
