//! Deployments as they are wanted. Making them so is the reconcilers' work.

use domain::text::{LABEL_MAX_CHARS, printable};
use domain::{Deployment, Environment, Model, ModelRef, Name, Problem};
use state::objects::{Versioned, get, put};
use state::{Batch, Expect};

use super::scaling::Count;
use super::{ChangeError, Created, conflict, environments, models, name_at, room, until_settled};
use crate::api::types::{CreateDeployment, ScaleDeployment};
use crate::events::{Event, record};
use crate::plan::{Subject, plan};
use crate::world::World;

/// Most replicas of one deployment.
pub const REPLICAS_MAX: u32 = 1_000;

/// A wish that was checked: the model and the environment exist, at the versions that were read.
pub(crate) struct Checked {
    pub deployment: Deployment,
    pub model: Versioned<Model>,
    pub environment: Versioned<Environment>,
}

/// Replicas as they were asked for, within bounds.
pub(crate) fn replicas_of(asked: i64) -> Result<u32, Problem> {
    u32::try_from(asked).ok().filter(|replicas| *replicas <= REPLICAS_MAX).ok_or_else(|| {
        Problem::invalid(format!("{asked} replicas cannot be; between 0 and {REPLICAS_MAX} can"))
            .next(format!("give a whole number from 0 to {REPLICAS_MAX}"))
            .at("replicas")
    })
}

/// Checks a request and completes it with what it leaves out.
pub(crate) async fn check(world: &World, request: &CreateDeployment) -> Result<Checked, Problem> {
    let reference: ModelRef = request.model.parse().map_err(|problem: Problem| problem.at("model"))?;
    let environment = name_at(&request.environment, "environment")?;
    let count = Count::of(request.replicas, request.autoscaling.as_ref())?;
    let name = match &request.name {
        Some(name) => name_at(name, "name")?,
        None => default_name(&reference, &environment)?,
    };
    let model = get::<Model>(&*world.store, &reference.to_string()).await?;
    let model = model.ok_or_else(|| models::unknown(&reference.to_string()))?;
    let found = get::<Environment>(&*world.store, environment.as_str()).await?;
    let found = found.ok_or_else(|| environments::unknown(environment.as_str()))?;
    let deployment = count.applied_to(Deployment {
        name,
        uid: world.unique_id(),
        model: reference,
        environment,
        // Those that follow the load begin with one, to show that it serves.
        replicas: 1,
        autoscaling: None,
        market: request.market,
        deleting: false,
        created_at: world.clock.now(),
    });
    Ok(Checked { deployment, model, environment: found })
}

fn default_name(model: &ModelRef, environment: &Name) -> Result<Name, Problem> {
    let name = format!("{}-{environment}", model.name);
    name.parse().map_err(|_| {
        Problem::invalid(format!("{name:?} is too long for a name")).next("choose a shorter one with 'name'").at("name")
    })
}

/// Creates a deployment, if all its replicas find a place. The same request again finds the same deployment.
pub(crate) async fn create(world: &World, request: &CreateDeployment) -> Result<Created<Deployment>, Problem> {
    until_settled(|| async {
        let checked = check(world, request).await?;
        let deployment = &checked.deployment;
        if let Some(found) = get::<Deployment>(&*world.store, deployment.name.as_str()).await? {
            return Ok(existing(deployment, found.value)?);
        }
        let (model, environment) = (&checked.model.value, &checked.environment.value);
        let subject = Subject { deployment, model, environment, existing: None };
        if let Some(shortage) = plan(world, &subject).await?.shortage {
            return Err(shortage.into());
        }
        let _growing = world.growing.lock().await;
        room::check(world, |inputs| inputs.deployments.push(deployment.clone())).await?;
        let what = format!("created: {} of {} in {}", count_of(deployment), deployment.model, deployment.environment);
        let batch = Batch::new()
            .with(put(deployment, Expect::Absent)?)
            // Written again as they were read: neither can have been deleted in between.
            .with(put(&checked.model.value, Expect::Version(checked.model.version))?)
            .with(put(&checked.environment.value, Expect::Version(checked.environment.version))?)
            .with(record(&deployment.name, &asked(world, what))?);
        world.store.commit(batch).await?;
        tracing::info!(deployment = %deployment.name, replicas = deployment.replicas, "deployment created");
        Ok::<_, ChangeError>(Created { value: checked.deployment, new: true })
    })
    .await
}

/// The deployment that has the name already, if it is the one that was asked for.
fn existing(asked: &Deployment, found: Deployment) -> Result<Created<Deployment>, Problem> {
    if found.deleting {
        let cause = format!("deployment {} is being deleted", found.name);
        return Err(conflict(cause, "try again when it is gone").at("name").retry_after_ms(1_000));
    }
    // Replicas that follow the load are not asked for by their number.
    let fixed = |d: &Deployment| d.autoscaling.is_none().then_some(d.replicas);
    let wish = |d: &Deployment| (d.model.clone(), d.environment.clone(), fixed(d), d.autoscaling, d.market);
    if wish(asked) == wish(&found) {
        return Ok(Created { value: found, new: false });
    }
    let cause = format!(
        "deployment {} exists already: {} of {} in {}",
        found.name,
        count_of(&found),
        found.model,
        found.environment
    );
    Err(conflict(cause, "scale it with 'mcp scale', choose another name, or delete it first").at("name"))
}

/// A deployment's replicas in words.
fn count_of(deployment: &Deployment) -> String {
    let replicas = deployment.replicas;
    deployment.autoscaling.map_or_else(
        || format!("{replicas} replicas"),
        |scaled| format!("{} to {} replicas by load, {replicas} now,", scaled.replicas_min, scaled.replicas_max),
    )
}

/// Changes how many replicas are wanted, or how they follow the load.
pub(crate) async fn scale(world: &World, name: &str, request: &ScaleDeployment) -> Result<Deployment, Problem> {
    let count = Count::of(request.replicas, request.autoscaling.as_ref())?;
    until_settled(|| async {
        let found = get::<Deployment>(&*world.store, name).await?.ok_or_else(|| unknown(name))?;
        if found.value.deleting {
            return Err(
                conflict(format!("deployment {name} is being deleted"), "create it anew when it is gone").into()
            );
        }
        let wanted = count.applied_to(found.value.clone());
        if wanted == found.value {
            return Ok(found.value);
        }
        if wanted.replicas > found.value.replicas {
            let environment = environments::fetch(world, wanted.environment.as_str()).await?;
            let model = models::fetch(world, &wanted.model.to_string()).await?;
            let subject =
                Subject { deployment: &wanted, model: &model, environment: &environment, existing: Some(&found.value) };
            if let Some(shortage) = plan(world, &subject).await?.shortage {
                return Err(shortage.into());
            }
        }
        let _growing = world.growing.lock().await;
        room::check(world, |inputs| replace(&mut inputs.deployments, &wanted)).await?;
        let event = asked(world, change(&found.value, &wanted));
        commit(world, &wanted, found.version, &event).await?;
        Ok::<_, ChangeError>(wanted)
    })
    .await
}

fn replace(deployments: &mut [Deployment], wanted: &Deployment) {
    for deployment in deployments.iter_mut().filter(|deployment| deployment.name == wanted.name) {
        deployment.clone_from(wanted);
    }
}

/// What a change of replicas does, in words.
fn change(before: &Deployment, after: &Deployment) -> String {
    let (from, to) = (before.replicas, after.replicas);
    match (before.autoscaling, after.autoscaling) {
        (None, None) => format!("scaled from {from} to {to} replicas"),
        (Some(_), None) => format!("scaled from {from} to {to} replicas, which no longer follow the load"),
        (_, Some(scaled)) => {
            format!("follows the load with {} to {} replicas, {to} now", scaled.replicas_min, scaled.replicas_max)
        }
    }
}

/// Asks for removal. The reconcilers drain the replicas; then the object goes.
pub(crate) async fn remove(world: &World, name: &str) -> Result<Deployment, Problem> {
    until_settled(|| async {
        let found = get::<Deployment>(&*world.store, name).await?.ok_or_else(|| unknown(name))?;
        if found.value.deleting {
            return Ok(found.value);
        }
        let wanted = Deployment { deleting: true, ..found.value };
        commit(world, &wanted, found.version, &asked(world, "to be deleted".to_owned())).await?;
        Ok::<_, ChangeError>(wanted)
    })
    .await
}

pub(crate) fn unknown(name: &str) -> Problem {
    let shown = printable(name, LABEL_MAX_CHARS);
    Problem::not_found(format!("there is no deployment '{shown}'")).next("list them with 'mcp status'").at("deployment")
}

async fn commit(world: &World, wanted: &Deployment, version: u64, event: &Event) -> Result<(), ChangeError> {
    let batch = Batch::new().with(put(wanted, Expect::Version(version))?).with(record(&wanted.name, event)?);
    world.store.commit(batch).await?;
    tracing::info!(deployment = %wanted.name, what = %event.what, "deployment changed");
    Ok(())
}

fn asked(world: &World, what: String) -> Event {
    Event { at: world.clock.now(), what, why: "asked for through the API".to_owned() }
}
