//! Where things can run: clouds and their sites, with place, price and capacity.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::money::Money;
use crate::name::Name;
use crate::problem::Problem;
use crate::resources::Resources;

/// One site of one cloud, written `cloud/site`: `local/us-east`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct SiteRef {
    /// The cloud.
    pub cloud: Name,
    /// The site (in the tool contract: the region).
    pub site: Name,
}

impl FromStr for SiteRef {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        let (cloud, site) = text.split_once('/').ok_or_else(|| {
            Problem::invalid(format!("{text:?} is not cloud/site")).next("write it like 'local/us-east'")
        })?;
        Ok(Self { cloud: cloud.parse()?, site: site.parse()? })
    }
}

impl TryFrom<String> for SiteRef {
    type Error = Problem;
    fn try_from(text: String) -> Result<Self, Problem> {
        text.parse()
    }
}

impl From<SiteRef> for String {
    fn from(site: SiteRef) -> Self {
        site.to_string()
    }
}

impl fmt::Display for SiteRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.cloud, self.site)
    }
}

/// A point on the earth, in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeoPoint {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
}

/// A site as the control plane last saw it: what it offers, at what price, and whether it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CloudSite {
    /// Cloud and site.
    pub site: SiteRef,
    /// The jurisdiction, as an ISO 3166-1 alpha-2 country code.
    pub country: String,
    /// Where it is.
    pub location: GeoPoint,
    /// The instance type whose price sheet applies, as its vendor names it.
    pub instance_type: String,
    /// On-demand price of one replica-hour.
    pub on_demand_per_hour: Money,
    /// Spot price of one replica-hour, when the site has a spot market.
    pub spot_per_hour: Option<Money>,
    /// What one instance offers a replica.
    pub instance: Resources,
    /// Most instances that the site can hold.
    pub capacity: u32,
    /// Instances in use, by anybody.
    pub used: u32,
    /// Whether the site can start instances now; with the reason when it cannot.
    pub available: bool,
    /// Why not, when `available` is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
