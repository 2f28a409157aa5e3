//! From three answers of a cloud (health, quotas, prices) to its sites.

use cloud::contract::tools::{CostEstimate, Health, Quota, Quotas};
use domain::{CloudSite, Market, Money, Name, Resources, SiteRef};

/// The sites of `cloud`, as they stand by its answers, in the order of its quotas. A region whose name is not a valid
/// name is left out. Where the cloud quotes no price for the need, the site is shown with what it offers, and as
/// unavailable if that would do.
#[must_use]
pub fn sites_of(
    cloud: &Name,
    need: &Resources,
    health: &Health,
    quotas: &Quotas,
    prices: &CostEstimate,
) -> Vec<CloudSite> {
    let mut sites: Vec<CloudSite> = Vec::new();
    for quota in &quotas.quotas {
        let known = |site: &CloudSite| site.site.site.as_str() == quota.region;
        let priced = price_of(prices, quota, Market::OnDemand);
        match sites.iter_mut().find(|site| known(site)) {
            // A second instance type of the same region: the cheaper one that is priced for the need stands for it.
            Some(site) => {
                if let Some(candidate) = site_of(cloud, need, health, quota, prices)
                    && priced.is_some_and(|price| !site.available || price < site.on_demand_per_hour)
                {
                    *site = candidate;
                }
            }
            None => sites.extend(site_of(cloud, need, health, quota, prices)),
        }
    }
    sites
}

fn site_of(cloud: &Name, need: &Resources, health: &Health, quota: &Quota, prices: &CostEstimate) -> Option<CloudSite> {
    let site = SiteRef { cloud: cloud.clone(), site: quota.region.parse().ok()? };
    let on_demand = price_of(prices, quota, Market::OnDemand);
    let region = health.regions.iter().find(|region| region.region == quota.region);
    let fits = need.cpu_milli <= quota.instance.cpu_milli
        && need.memory_bytes <= quota.instance.memory_bytes
        && need.gpu <= quota.instance.gpu;
    let (available, reason) = match region {
        None => (false, Some("its cloud does not report its health".to_owned())),
        Some(region) if !region.available => (false, region.reason.clone()),
        Some(_) if on_demand.is_none() && fits => (false, Some("its cloud quotes no price for it".to_owned())),
        Some(_) => (true, None),
    };
    Some(CloudSite {
        site,
        country: quota.country.clone(),
        location: quota.location,
        instance_type: quota.instance_type.clone(),
        on_demand_per_hour: on_demand.unwrap_or(Money::ZERO),
        spot_per_hour: price_of(prices, quota, Market::Spot).filter(|_| quota.spot),
        instance: quota.instance,
        capacity: quota.limit,
        used: quota.used,
        available,
        reason,
    })
}

fn price_of(prices: &CostEstimate, quota: &Quota, market: Market) -> Option<Money> {
    let matches = |line: &&cloud::contract::tools::CostLine| {
        line.region == quota.region && line.instance_type == quota.instance_type && line.market == market
    };
    prices.lines.iter().filter(matches).map(|line| line.price_per_hour).min()
}
