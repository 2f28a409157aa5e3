//! Environments: created once, never changed, deleted when nothing is deployed in them.

use std::collections::BTreeSet;

use domain::{ComputeType, Deployment, Environment, Money, Name, Problem, Resources, SiteRef};
use state::objects::{delete, get, list, put};
use state::{Batch, Expect};

use super::{ChangeError, Created, conflict, name_at, until_settled};
use crate::api::types::CreateEnvironment;
use crate::world::World;

/// Most entries in any list of a request.
const LIST_MAX: usize = 100;
/// Longest label or label value, in bytes.
const LABEL_MAX_BYTES: usize = 256;

/// Creates an environment. The same request again finds the same environment.
pub(crate) async fn create(world: &World, request: CreateEnvironment) -> Result<Created<Environment>, Problem> {
    let environment = validate(world, request)?;
    if let Some(found) = get::<Environment>(&*world.store, environment.name.as_str()).await? {
        let same = Environment { created_at: found.value.created_at, ..environment.clone() } == found.value;
        return if same {
            Ok(Created { value: found.value, new: false })
        } else {
            let cause = format!("environment {} exists already, and is another", environment.name);
            Err(conflict(cause, "choose another name, or delete that one first").at("name"))
        };
    }
    world.store.commit(Batch::new().with(put(&environment, Expect::Absent)?)).await?;
    tracing::info!(environment = %environment.name, "environment created");
    Ok(Created { value: environment, new: true })
}

/// One environment.
pub(crate) async fn fetch(world: &World, name: &str) -> Result<Environment, Problem> {
    Ok(get::<Environment>(&*world.store, name).await?.ok_or_else(|| unknown(name))?.value)
}

/// Deletes an environment in which nothing is deployed.
pub(crate) async fn remove(world: &World, name: &str) -> Result<Environment, Problem> {
    until_settled(|| async {
        let found = get::<Environment>(&*world.store, name).await?.ok_or_else(|| unknown(name))?;
        let deployments = list::<Deployment>(&*world.store).await?;
        if let Some(user) = deployments.iter().find(|read| read.value.environment.as_str() == name) {
            let cause = format!("environment {name} is in use by deployment {}", user.value.name);
            return Err(conflict(cause, "delete the deployment first").into());
        }
        // A deployment created meanwhile has written the environment again, and this is refused.
        let write = delete::<Environment>(name, Expect::Version(found.version));
        world.store.commit(Batch::new().with(write)).await?;
        Ok::<_, ChangeError>(found.value)
    })
    .await
}

pub(crate) fn unknown(name: &str) -> Problem {
    let shown: String = name.chars().take(80).collect();
    Problem::not_found(format!("there is no environment {shown:?}"))
        .next("list them with 'mcp environment list', or create it")
        .at("environment")
}

fn validate(world: &World, request: CreateEnvironment) -> Result<Environment, Problem> {
    let resources: Resources = request.resources.parse()?;
    check_type(request.compute_type, &resources)?;
    let clouds = names(&request.clouds, "clouds")?;
    let sites = site_refs(&request.sites)?;
    check_places(world, &clouds, &sites)?;
    let labels = request.labels;
    let too_long = |text: &String| text.len() > LABEL_MAX_BYTES;
    if labels.len() > LIST_MAX || labels.iter().any(|(key, value)| too_long(key) || too_long(value)) {
        let cause = format!("at most {LIST_MAX} labels of at most {LABEL_MAX_BYTES} bytes");
        return Err(Problem::invalid(cause).at("labels"));
    }
    Ok(Environment {
        name: name_at(&request.name, "name")?,
        compute_type: request.compute_type,
        resources,
        clouds,
        sites,
        countries: countries(&request.countries)?,
        max_price_per_hour: request.max_price_per_hour_usd.map(price_cap).transpose()?,
        shared_prefix_cache: request.shared_prefix_cache,
        labels,
        created_at: world.clock.now(),
    })
}

fn check_type(compute_type: ComputeType, resources: &Resources) -> Result<(), Problem> {
    match compute_type {
        ComputeType::Cpu if resources.gpu > 0 => Err(Problem::invalid("an environment of type cpu has no gpu")
            .next("use type gpu, or leave gpu out of the resources")
            .at("type")),
        ComputeType::Gpu if resources.gpu == 0 => Err(Problem::invalid("an environment of type gpu needs a gpu")
            .next("add gpu=1 to the resources, or use type cpu")
            .at("type")),
        ComputeType::Cpu | ComputeType::Gpu => Ok(()),
    }
}

fn bounded<'a>(list: &'a [String], field: &str) -> Result<&'a [String], Problem> {
    if list.len() > LIST_MAX {
        return Err(Problem::invalid(format!("{field} has more than {LIST_MAX} entries")).at(field));
    }
    Ok(list)
}

fn names(list: &[String], field: &str) -> Result<Vec<Name>, Problem> {
    let names: BTreeSet<Name> =
        bounded(list, field)?.iter().map(|text| name_at(text, field)).collect::<Result<_, _>>()?;
    Ok(names.into_iter().collect())
}

fn site_refs(list: &[String]) -> Result<Vec<SiteRef>, Problem> {
    let parse = |text: &String| text.parse::<SiteRef>().map_err(|problem| problem.at("sites"));
    let sites: BTreeSet<SiteRef> = bounded(list, "sites")?.iter().map(parse).collect::<Result<_, _>>()?;
    Ok(sites.into_iter().collect())
}

/// Places that cannot be: a cloud that is not configured, a site of a cloud that is not allowed.
fn check_places(world: &World, clouds: &[Name], sites: &[SiteRef]) -> Result<(), Problem> {
    let known: Vec<String> = world.survey.names().map(Name::to_string).collect();
    let named = clouds.iter().map(|cloud| (cloud, "clouds")).chain(sites.iter().map(|site| (&site.cloud, "sites")));
    for (cloud, field) in named {
        if !known.iter().any(|name| name == cloud.as_str()) {
            let cause = format!("there is no cloud {cloud}");
            return Err(Problem::invalid(cause).next(format!("the clouds are: {}", known.join(", "))).at(field));
        }
    }
    match sites.iter().find(|site| !clouds.is_empty() && !clouds.contains(&site.cloud)) {
        Some(site) => Err(Problem::invalid(format!("site {site} is in a cloud that the environment does not allow"))
            .next(format!("add {} to the clouds, or leave the site out", site.cloud))
            .at("sites")),
        None => Ok(()),
    }
}

fn countries(list: &[String]) -> Result<Vec<String>, Problem> {
    let parse = |text: &String| {
        let country = text.to_ascii_uppercase();
        if country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Ok(country);
        }
        let shown: String = text.chars().take(80).collect();
        Err(Problem::invalid(format!("{shown:?} is not a country code"))
            .next("use two letters as in ISO 3166-1, such as DE or US")
            .at("countries"))
    };
    let countries: BTreeSet<String> = bounded(list, "countries")?.iter().map(parse).collect::<Result<_, _>>()?;
    Ok(countries.into_iter().collect())
}

fn price_cap(dollars: f64) -> Result<Money, Problem> {
    if dollars.is_finite() && (0.0..=1e6).contains(&dollars) {
        return Ok(Money::from_dollars(dollars));
    }
    Err(Problem::invalid("the price cap is between 0 and 1000000 dollars an hour").at("max_price_per_hour_usd"))
}
