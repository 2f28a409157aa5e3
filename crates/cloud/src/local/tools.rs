//! The tools as the cloud on this machine carries them out.

use async_trait::async_trait;
use domain::{Kind, Market, Money, Problem, Resources};
use state::objects::{self, Versioned};
use state::{Batch, Expect};

use super::config::{PRICE_SOURCE, SiteConfig};
use super::pool::{Pool, StoredBucket};
use super::{Asked, LocalCloud, State, outcome};
use crate::contract::envelope::{Cost, Operation};
use crate::contract::infrastructure::{
    AttachVolume, Bucket, CreateStorageBucketArgs, FailoverRoute, LaunchSpot, ProvisionCompute, RotateSecret,
    SubmitMlJob,
};
use crate::contract::tools::{
    CostEstimate, CostLine, DeployModelArgs, GetCostEstimateArgs, GetHealthArgs, GetQuotasArgs, Health, Nodepool,
    Quota, Quotas, RegionHealth, ScaleNodepoolArgs, Tool as _, WriteArgs,
};
use crate::server::{Answer, CallContext, Cloud, Reply, Standing};

/// Longest name of a node pool.
const NODEPOOL_CHARS_MAX: usize = 128;
/// Most labels of a node pool.
const LABELS_MAX: usize = 64;

#[async_trait]
impl Cloud for LocalCloud {
    fn name(&self) -> &str {
        "local"
    }

    fn instructions(&self) -> String {
        let sites: Vec<&str> = self.config.sites.iter().map(|site| site.name.as_str()).collect();
        format!(
            "A cloud of processes on one machine. Regions: {}. deploy_model makes a node pool, scale_nodepool sets its \
             size, get_health shows its instances. Writes need an idempotency_token; repeat one to repeat a call.",
            sites.join(", ")
        )
    }

    async fn deploy_model(&self, context: &CallContext, args: DeployModelArgs) -> Answer<Nodepool> {
        let site = self.site(&args.region)?;
        check_nodepool(&args)?;
        let price = price_of(site, args.market)?;
        check_fit(site, &args.resources)?;
        let cost = Cost { per_hour: price.times(args.replicas) };
        check_cost(&args.write, cost)?;
        let artifact = self.artifacts.check(&args.artifact, &args.digest).await?;
        let mut state = self.state.lock().await;
        if let Some(found) = state.pools.get(&Pool::key(&args.region, &args.nodepool)) {
            if found.value.made_by == context.operation_id && !args.write.dry_run {
                let found = found.clone();
                return self.deploy_again(&mut state, context, found).await.map(|reply| reply.costing(cost));
            }
            let cause = format!("there is a node pool {:?} in {} already", args.nodepool, args.region);
            return Err(Problem::new(Kind::Conflict, cause).next("scale it with scale_nodepool").at("nodepool"));
        }
        let mut pool = Pool {
            region: args.region,
            nodepool: args.nodepool,
            model: args.model,
            artifact,
            digest: args.digest,
            caller_digests: args.caller_digests,
            resources: args.resources,
            market: args.market,
            price_per_hour: price,
            labels: args.write.labels.into(),
            size: args.replicas,
            made_by: context.operation_id.clone(),
            made_at: context.now,
            pending: Vec::new(),
            slots: Vec::new(),
        };
        let size = Asked { count: pool.size, field: "replicas" };
        self.check_room(&state, site, pool.size as usize, size)?;
        if args.write.dry_run {
            return Ok(Reply::done(self.describe(&state, &pool)).costing(cost));
        }
        pool.fill(context.now, &mut || self.new_id());
        pool.note_pending(&context.operation_id, context.now);
        self.save(&mut state, pool.clone(), Expect::Absent).await?;
        self.wake.notify_one();
        Ok(Reply::done(self.describe(&state, &pool)).costing(cost).going_on())
    }

    async fn scale_nodepool(&self, context: &CallContext, args: ScaleNodepoolArgs) -> Answer<Nodepool> {
        let mut state = self.state.lock().await;
        // A pool may outlive its site in the configuration; it can still be made smaller.
        let Some(found) = state.pools.get(&Pool::key(&args.region, &args.nodepool)).cloned() else {
            self.site(&args.region)?;
            if args.size == 0 {
                return Ok(Reply::nothing());
            }
            let cause = format!("there is no node pool {:?} in {}", args.nodepool, args.region);
            return Err(Problem::not_found(cause).next("make it with deploy_model").at("nodepool"));
        };
        let (mut pool, version) = (found.value, found.version);
        let cost = Cost { per_hour: pool.price_per_hour.times(args.size) };
        let grows_by = (args.size as usize).saturating_sub(pool.staying());
        if args.size > pool.size {
            check_cost(&args.write, cost)?;
        }
        if grows_by > 0 && args.size > pool.size {
            let size = Asked { count: args.size, field: "size" };
            self.check_room(&state, self.site(&args.region)?, grows_by, size)?;
        }
        pool.size = args.size;
        let grace_ms = u64::from(self.config.drain_seconds) * 1_000 + DRAIN_MARGIN_MS;
        pool.shrink(&args.remove, &|id| self.world.serves(id), grace_ms);
        pool.fill(context.now, &mut || self.new_id());
        if args.write.dry_run {
            return Ok(Reply::done(self.describe(&state, &pool)).costing(cost));
        }
        let overtaken = outcome::writes(&pool.note_pending(&context.operation_id, context.now))?;
        self.save_with(&mut state, pool.clone(), Expect::Version(version), overtaken).await?;
        self.wake.notify_one();
        Ok(Reply::done(self.describe(&state, &pool)).costing(cost).going_on())
    }

    async fn operation_state(&self, _: &CallContext, operation: &Operation) -> Result<Standing, Problem> {
        self.standing(operation).await
    }

    async fn get_health(&self, _: &CallContext, args: GetHealthArgs) -> Answer<Health> {
        if let Some(region) = &args.region {
            self.site(region)?;
        }
        let state = self.state.lock().await;
        let here = |region: &str| args.region.as_deref().is_none_or(|wanted| wanted == region);
        let regions = self.config.sites.iter().filter(|site| here(&site.name)).map(|site| {
            let outage = state.outages.get(&site.name);
            RegionHealth {
                region: site.name.clone(),
                available: outage.is_none(),
                reason: outage
                    .map(|outage| format!("an outage was ordered by {}", outage.by))
                    .or_else(|| state.trouble.as_ref().map(|trouble| no_changes(&trouble.cause))),
            }
        });
        let named = |pool: &Pool| args.nodepool.as_deref().is_none_or(|wanted| wanted == pool.nodepool);
        let pools = state.pools.values().map(|pool| &pool.value).filter(|pool| here(&pool.region) && named(pool));
        let nodepools = pools.map(|pool| self.describe(&state, pool)).collect();
        Ok(Reply::done(Health { regions: regions.collect(), nodepools }))
    }

    async fn get_quotas(&self, _: &CallContext, args: GetQuotasArgs) -> Answer<Quotas> {
        if let Some(region) = &args.region {
            self.site(region)?;
        }
        let state = self.state.lock().await;
        let here = |site: &&SiteConfig| args.region.as_ref().is_none_or(|wanted| *wanted == site.name);
        let quotas = self.config.sites.iter().filter(here).map(|site| Quota {
            region: site.name.clone(),
            country: site.country.clone(),
            location: site.location,
            instance_type: site.instance_type.clone(),
            instance: site.instance,
            limit: site.capacity,
            used: u32::try_from(state.used(&site.name)).unwrap_or(u32::MAX),
            spot: site.spot_usd_per_hour.is_some(),
        });
        Ok(Reply::done(Quotas { quotas: quotas.collect() }))
    }

    async fn get_cost_estimate(&self, _: &CallContext, args: GetCostEstimateArgs) -> Answer<CostEstimate> {
        if let Some(region) = &args.region {
            self.site(region)?;
        }
        let mut lines = Vec::new();
        for site in self.config.sites.iter().filter(|site| site.fits(&args.resources)) {
            if args.region.as_ref().is_some_and(|wanted| *wanted != site.name) {
                continue;
            }
            for market in [Market::OnDemand, Market::Spot] {
                let Some(price_per_hour) = site.price(market) else { continue };
                lines.push(CostLine {
                    region: site.name.clone(),
                    instance_type: site.instance_type.clone(),
                    market,
                    price_per_hour,
                    total: price_per_hour.times(args.replicas).times(args.hours),
                });
            }
        }
        lines.sort_by_key(|line| line.price_per_hour);
        Ok(Reply::done(CostEstimate { lines, source: PRICE_SOURCE.to_owned() }))
    }

    async fn create_storage_bucket(&self, context: &CallContext, args: CreateStorageBucketArgs) -> Answer<Bucket> {
        self.site(&args.region)?;
        let wanted = StoredBucket { region: args.region, bucket: args.bucket, made_by: context.operation_id.clone() };
        let key = objects::Stored::object_name(&wanted);
        let found = objects::get::<StoredBucket>(&*self.store, &key).await?;
        if found.as_ref().is_some_and(|found| found.value.made_by != wanted.made_by || args.write.dry_run) {
            let cause = format!("there is a bucket {:?} in {} already", wanted.bucket, wanted.region);
            return Err(Problem::new(Kind::Conflict, cause).next("choose another name").at("bucket"));
        }
        let folder = self.config.root.join("buckets").join(&wanted.region).join(&wanted.bucket);
        if !args.write.dry_run {
            if found.is_none() {
                self.store.commit(Batch::new().with(objects::put(&wanted, Expect::Absent)?)).await?;
            }
            let made = tokio::fs::create_dir_all(&folder).await;
            made.map_err(|e| Problem::new(Kind::Unavailable, format!("the bucket's folder cannot be made: {e}")))?;
        }
        let url = format!("file://{}", folder.display());
        Ok(Reply::done(Bucket { region: wanted.region, bucket: wanted.bucket, url }))
    }

    fn cannot(&self, tool: &str) -> Option<Problem> {
        let (why, instead) = match tool {
            ProvisionCompute::NAME => {
                ("it has no machines but this one: its instances are model services", "use deploy_model")
            }
            LaunchSpot::NAME => (
                "it has no machines but this one: its spot instances are model services",
                "use deploy_model with market \"spot\"",
            ),
            AttachVolume::NAME => (
                "its instances are processes, which see this machine's disks already",
                "use create_storage_bucket for a folder",
            ),
            SubmitMlJob::NAME => {
                ("it runs model services, and has no container runtime for jobs", "use a cloud that runs containers")
            }
            RotateSecret::NAME => ("it keeps no secrets", "rotate it where it is kept"),
            FailoverRoute::NAME => (
                "one machine has no DNS or traffic manager; the gateway moves traffic between its sites by itself",
                "use the cloud that holds the route",
            ),
            _ => return None,
        };
        Some(Problem::new(Kind::Unsupported, format!("the local cloud cannot do this: {why}")).next(instead))
    }
}

impl LocalCloud {
    /// The same call once more, whose answer was lost in a crash, or which has failed: its pool is tried again at once.
    async fn deploy_again(&self, state: &mut State, context: &CallContext, found: Versioned<Pool>) -> Answer<Nodepool> {
        let Versioned { value: mut pool, version } = found;
        pool.slots.iter_mut().for_each(|slot| slot.failures = 0);
        pool.note_pending(&context.operation_id, context.now);
        self.save(state, pool.clone(), Expect::Version(version)).await?;
        self.wake.notify_one();
        Ok(Reply::done(self.describe(state, &pool)).going_on())
    }
}

/// How much longer than its own drain a process may take before it is killed, in milliseconds.
const DRAIN_MARGIN_MS: u64 = 5_000;

fn no_changes(cause: &str) -> String {
    format!("no change can be stored, so that nothing is started or replaced: {cause}")
}

fn price_of(site: &SiteConfig, market: Market) -> Result<Money, Problem> {
    site.price(market).ok_or_else(|| {
        Problem::new(Kind::Unsupported, format!("{} has no spot market", site.name))
            .next("use the market \"on_demand\"")
            .at("market")
    })
}

fn check_fit(site: &SiteConfig, need: &Resources) -> Result<(), Problem> {
    if site.fits(need) {
        return Ok(());
    }
    let (kind, offers, name) = (&site.instance_type, site.instance, &site.name);
    Err(Problem::invalid(format!("{name} offers {kind} with {offers}, and {need} is needed"))
        .next("ask for less, or use another region")
        .at("resources"))
}

fn check_cost(write: &WriteArgs, cost: Cost) -> Result<(), Problem> {
    match write.max_cost_usd {
        Some(limit) if cost.per_hour > Money::from_dollars(limit) => {
            let cause = format!("it would cost {} an hour, and {limit} dollars are allowed", cost.per_hour);
            Err(Problem::new(Kind::OverBudget, cause).next("raise max_cost_usd, or ask for less").at("max_cost_usd"))
        }
        _ => Ok(()),
    }
}

fn check_nodepool(args: &DeployModelArgs) -> Result<(), Problem> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    let name = &args.nodepool;
    let starts_well = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if name.len() > NODEPOOL_CHARS_MAX || !starts_well || !name.bytes().all(allowed) {
        return Err(Problem::invalid("that is not a valid name for a node pool")
            .next("use 1 to 128 lower-case letters, digits, '-', '_' or '.', beginning with a letter or digit")
            .at("nodepool"));
    }
    if args.write.labels.len() > LABELS_MAX {
        return Err(Problem::invalid(format!("at most {LABELS_MAX} labels")).at("labels"));
    }
    Ok(())
}
