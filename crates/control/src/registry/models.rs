//! Models: a name and a version stand for one file for ever.

use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::text::{LABEL_MAX_CHARS, printable};
use domain::{Deployment, Digest, Kind, Model, ModelRef, Problem};
use state::objects::{delete, get, list, put};
use state::{Batch, Expect};
use tokio_util::sync::CancellationToken;

use super::model_file::{ARCHITECTURES, ModelFile, inspect};
use super::{ChangeError, Created, conflict, name_at, until_settled};
use crate::api::types::RegisterModel;
use crate::world::World;

/// Most tags, and most entries of metadata.
const LIST_MAX: usize = 100;
/// Longest tag or metadata text, in bytes.
const TEXT_MAX_BYTES: usize = 1_024;

/// Longest wait for a turn to read a file.
const TURN_WITHIN: Duration = Duration::from_secs(60);
/// Longest time that reading one file may take, in milliseconds: a terabyte on a slow disk.
const READ_MAX_MS: i64 = 3 * 3_600_000;

/// Registers a file under a name and a version. The same file again finds the same model.
pub(crate) async fn register(world: &World, request: RegisterModel) -> Result<Created<Model>, Problem> {
    let reference = ModelRef { name: name_at(&request.name, "name")?, version: name_at(&request.version, "version")? };
    check_texts(&request)?;
    let expected =
        request.digest.as_ref().map(|text| text.parse::<Digest>().map_err(|p| p.at("digest"))).transpose()?;
    let path = absolute(&request.path)?;
    let file = inspected(world, &path).await?;
    if let Some(expected) = expected.filter(|expected| *expected != file.digest) {
        let cause = format!("{} has the digest {}, not {expected}", path.display(), file.digest);
        return Err(Problem::invalid(cause).next("download it again, or correct the digest").at("digest"));
    }
    if !ARCHITECTURES.contains(&file.architecture.as_str()) {
        tracing::warn!(model = %reference, architecture = %file.architecture, "architecture is not of the llama family");
    }
    keep(world, model(world, reference, path, file, request)).await
}

/// Reads the file on a thread that serves nobody else, a few files at a time. It ends with the request, and after a
/// bounded time.
async fn inspected(world: &World, path: &Path) -> Result<ModelFile, Problem> {
    let busy = || {
        Problem::new(Kind::Overloaded, "other model files are being read")
            .next("register it again in a while")
            .retry_after_ms(10_000)
    };
    let turn = tokio::time::timeout(TURN_WITHIN, world.inspections.clone().acquire_owned()).await;
    let turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
    let asked = CancellationToken::new();
    let _gone = asked.clone().drop_guard();
    let (path, clock) = (path.to_owned(), world.clock.clone());
    let began = clock.monotonic();
    let reading = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        inspect(&path, &|| {
            let late = || Problem::new(Kind::Timeout, format!("reading it took more than {READ_MAX_MS} ms"));
            if asked.is_cancelled() {
                return Some(Problem::new(Kind::Timeout, "nobody waits for it any more"));
            }
            (clock.monotonic().millis_since(began) > READ_MAX_MS).then(late)
        })
    });
    reading.await.map_err(|error| Problem::internal(format!("reading the model file ended early: {error}")))?
}

async fn keep(world: &World, model: Model) -> Result<Created<Model>, Problem> {
    until_settled(|| async {
        let name = model.reference.to_string();
        let Some(found) = get::<Model>(&*world.store, &name).await? else {
            world.store.commit(Batch::new().with(put(&model, Expect::Absent)?)).await?;
            tracing::info!(model = %name, digest = %model.digest, "model registered");
            return Ok(Created { value: model.clone(), new: true });
        };
        if found.value.digest == model.digest {
            return Ok(Created { value: found.value, new: false });
        }
        let cause = format!("model {name} is registered with another file: {}", found.value.digest);
        Err::<_, ChangeError>(conflict(cause, "register it under another version").at("version").into())
    })
    .await
}

/// One model, by `name:version`.
pub(crate) async fn fetch(world: &World, reference: &str) -> Result<Model, Problem> {
    Ok(get::<Model>(&*world.store, reference).await?.ok_or_else(|| unknown(reference))?.value)
}

/// Forgets a model that nothing deploys. Its file stays.
pub(crate) async fn remove(world: &World, reference: &str) -> Result<Model, Problem> {
    until_settled(|| async {
        let found = get::<Model>(&*world.store, reference).await?.ok_or_else(|| unknown(reference))?;
        let deployments = list::<Deployment>(&*world.store).await?;
        if let Some(user) = deployments.iter().find(|read| read.value.model == found.value.reference) {
            let cause = format!("model {reference} is in use by deployment {}", user.value.name);
            return Err(conflict(cause, "delete the deployment first").into());
        }
        // A deployment created meanwhile has written the model again, and this is refused.
        let write = delete::<Model>(reference, Expect::Version(found.version));
        world.store.commit(Batch::new().with(write)).await?;
        Ok::<_, ChangeError>(found.value)
    })
    .await
}

pub(crate) fn unknown(reference: &str) -> Problem {
    let shown = printable(reference, LABEL_MAX_CHARS);
    Problem::not_found(format!("there is no model '{shown}'"))
        .next("list them with 'mcp model list', or register it")
        .at("model")
}

fn check_texts(request: &RegisterModel) -> Result<(), Problem> {
    let too_long = |text: &String| text.len() > TEXT_MAX_BYTES;
    if request.tags.len() > LIST_MAX || request.tags.iter().any(too_long) {
        return Err(Problem::invalid(format!("at most {LIST_MAX} tags of {TEXT_MAX_BYTES} bytes")).at("tags"));
    }
    if request.metadata.len() > LIST_MAX || request.metadata.iter().any(|(key, text)| too_long(key) || too_long(text)) {
        let cause = format!("at most {LIST_MAX} entries of {TEXT_MAX_BYTES} bytes");
        return Err(Problem::invalid(cause).at("metadata"));
    }
    Ok(())
}

fn absolute(path: &PathBuf) -> Result<PathBuf, Problem> {
    std::path::absolute(path)
        .map_err(|error| Problem::invalid(format!("{} is no path: {error}", path.display())).at("path"))
}

fn model(world: &World, reference: ModelRef, path: PathBuf, file: ModelFile, request: RegisterModel) -> Model {
    let mut metadata = request.metadata;
    if let Some(title) = file.title {
        metadata.entry("general.name".to_owned()).or_insert(title);
    }
    Model {
        reference,
        path,
        digest: file.digest,
        size_bytes: file.size_bytes,
        architecture: file.architecture,
        context_tokens: file.context_tokens,
        parameters: file.parameters,
        cache_bytes_per_token: file.cache_bytes_per_token,
        metadata,
        tags: request.tags,
        registered_at: world.clock.now(),
    }
}
