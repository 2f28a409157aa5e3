//! The price list: nano-dollars per gigabyte by pair of places.
//!
//! Sources. Tiers to the internet and to other clouds: AWS US/EU/Canada 0.09 to 10 TiB, 0.085 to 50, 0.07 to 150, 0.05
//! beyond; Azure 0.087/0.083/0.07/0.05 at the same limits; Google premium tier 0.12 to 1 TiB, 0.11 to 10, 0.08 beyond
//! (<https://www.egresscost.com/aws> and the article "The hidden tax on your cloud bill", dev.to/mateenali66, both read in
//! November 2026). Other source regions and prices between regions of one cloud: the price grid of Skyplane
//! (skyplane-project/skyplane, Apache-2.0), values of 2022–23; of those only the first tier is known here, and it is
//! charged for every amount, which never prices too low. Free allowances belong to an account, not to a pair of places,
//! and are left out.

use super::place::{Area, Cloud, EgressError, Place, area};
use super::tier::Schedule;

/// Destinations that share one month's tiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DestinationClass {
    /// The same region: free.
    SameRegion,
    /// Another region of the same cloud.
    BetweenRegions,
    /// Another cloud, or anybody on the internet.
    Outside,
}

const TEN_TIB_GB: u64 = 10 * 1_024;
const FIFTY_TIB_GB: u64 = 50 * 1_024;
const HUNDRED_FIFTY_TIB_GB: u64 = 150 * 1_024;

const AWS_OUTSIDE: Schedule = Schedule {
    tiers: &[(TEN_TIB_GB, 90_000_000), (FIFTY_TIB_GB, 85_000_000), (HUNDRED_FIFTY_TIB_GB, 70_000_000)],
    beyond: 50_000_000,
};
const AZURE_OUTSIDE: Schedule = Schedule {
    tiers: &[(TEN_TIB_GB, 87_000_000), (FIFTY_TIB_GB, 83_000_000), (HUNDRED_FIFTY_TIB_GB, 70_000_000)],
    beyond: 50_000_000,
};
const GCP_OUTSIDE: Schedule =
    Schedule { tiers: &[(1_024, 120_000_000), (TEN_TIB_GB, 110_000_000)], beyond: 80_000_000 };

/// AWS regions outside US, EU and Canada: nano-dollars per gigabyte between regions, and outside.
const AWS_ELSEWHERE: [(&str, i64, i64); 12] = [
    ("af-south-1", 147_000_000, 154_000_000),
    ("ap-east-1", 90_000_000, 120_000_000),
    ("ap-northeast-1", 90_000_000, 114_000_000),
    ("ap-northeast-2", 80_000_000, 126_000_000),
    ("ap-northeast-3", 90_000_000, 114_000_000),
    ("ap-south-1", 86_000_000, 109_300_000),
    ("ap-southeast-1", 90_000_000, 120_000_000),
    ("ap-southeast-2", 98_000_000, 114_000_000),
    ("ap-southeast-3", 100_000_000, 132_000_000),
    ("me-central-1", 85_000_000, 110_000_000),
    ("me-south-1", 110_500_000, 117_000_000),
    ("sa-east-1", 138_000_000, 150_000_000),
];

/// Regions through which data may be relayed: those of the price grid.
const KNOWN: &[(Cloud, &[&str])] = &[
    (
        Cloud::Aws,
        &[
            "af-south-1",
            "ap-east-1",
            "ap-northeast-1",
            "ap-northeast-2",
            "ap-northeast-3",
            "ap-south-1",
            "ap-southeast-1",
            "ap-southeast-2",
            "ap-southeast-3",
            "ca-central-1",
            "eu-central-1",
            "eu-central-2",
            "eu-north-1",
            "eu-south-1",
            "eu-south-2",
            "eu-west-1",
            "eu-west-2",
            "eu-west-3",
            "me-central-1",
            "me-south-1",
            "sa-east-1",
            "us-east-1",
            "us-east-2",
            "us-west-1",
            "us-west-2",
        ],
    ),
    (
        Cloud::Azure,
        &[
            "australiaeast",
            "brazilsouth",
            "canadacentral",
            "centralindia",
            "eastasia",
            "eastus",
            "eastus2",
            "germanywestcentral",
            "koreacentral",
            "northcentralus",
            "northeurope",
            "norwayeast",
            "qatarcentral",
            "southafricanorth",
            "southcentralus",
            "swedencentral",
            "switzerlandnorth",
            "uaenorth",
            "uksouth",
            "westeurope",
            "westus",
            "westus2",
        ],
    ),
    (
        Cloud::Gcp,
        &[
            "asia-east1",
            "asia-east2",
            "asia-northeast2",
            "asia-northeast3",
            "asia-south1",
            "asia-south2",
            "asia-southeast1",
            "asia-southeast2",
            "australia-southeast1",
            "australia-southeast2",
            "europe-north1",
            "europe-west1",
            "europe-west2",
            "europe-west3",
            "europe-west4",
            "europe-west6",
            "me-west1",
            "southamerica-east1",
            "southamerica-west1",
            "us-central1",
            "us-east1",
            "us-east4",
            "us-west1",
            "us-west4",
        ],
    ),
];

/// Every region of the list.
#[must_use]
pub fn known_regions() -> Vec<Place> {
    let regions = |(cloud, names): &(Cloud, &[&str])| -> Vec<Place> {
        names.iter().map(|name| Place::Region(*cloud, (*name).to_owned())).collect()
    };
    KNOWN.iter().flat_map(regions).collect()
}

/// Which tiers a transfer counts towards.
#[must_use]
pub fn destination_class(from: &Place, to: &Place) -> DestinationClass {
    match (from, to) {
        (Place::Region(here, region), Place::Region(there, other)) if here == there => {
            if region == other {
                DestinationClass::SameRegion
            } else {
                DestinationClass::BetweenRegions
            }
        }
        _ => DestinationClass::Outside,
    }
}

/// The tiers of a pair of places.
///
/// # Errors
/// When either region is not one that the list can place, or the source is the internet.
pub fn schedule(from: &Place, to: &Place) -> Result<Schedule, EgressError> {
    let Place::Region(cloud, region) = from else { return Err(EgressError::FromInternet) };
    let here = area(*cloud, region).ok_or_else(|| EgressError::Region(from.to_string()))?;
    let there = match to {
        Place::Region(cloud, region) => Some(area(*cloud, region).ok_or_else(|| EgressError::Region(to.to_string()))?),
        Place::Internet => None,
    };
    Ok(match (cloud, destination_class(from, to)) {
        (_, DestinationClass::SameRegion) => Schedule::flat(0),
        (Cloud::Aws, DestinationClass::BetweenRegions) => aws_between(region, to),
        (Cloud::Aws, DestinationClass::Outside) => {
            aws_elsewhere(region).map_or(AWS_OUTSIDE, |(_, outside)| Schedule::flat(outside))
        }
        (Cloud::Azure, DestinationClass::BetweenRegions) => Schedule::flat(azure_between(here, there)),
        (Cloud::Azure, DestinationClass::Outside) => azure_outside(here),
        (Cloud::Gcp, DestinationClass::BetweenRegions) => Schedule::flat(gcp_between(here, there)),
        (Cloud::Gcp, DestinationClass::Outside) => gcp_outside(region, here, there),
    })
}

fn aws_elsewhere(region: &str) -> Option<(i64, i64)> {
    let row = AWS_ELSEWHERE.iter().find(|(name, _, _)| *name == region);
    let listed = row.map(|(_, between, outside)| (*between, *outside));
    // A region outside US, EU and Canada that is not listed is priced like the dearest one that is.
    let home = ["us-", "ca-", "eu-"].iter().any(|prefix| region.starts_with(prefix));
    listed.or(if home { None } else { Some((147_000_000, 154_000_000)) })
}

fn aws_between(region: &str, to: &Place) -> Schedule {
    let neighbours = ["us-east-1", "us-east-2"];
    let near =
        matches!(to, Place::Region(_, other) if neighbours.contains(&other.as_str()) && neighbours.contains(&region));
    let home = if near { 10_000_000 } else { 20_000_000 };
    Schedule::flat(aws_elsewhere(region).map_or(home, |(between, _)| between))
}

fn azure_between(here: Area, there: Option<Area>) -> i64 {
    match here {
        Area::SouthAmerica => 160_000_000,
        Area::Asia | Area::Oceania => 80_000_000,
        Area::NorthAmerica | Area::Europe if there == Some(here) => 20_000_000,
        Area::NorthAmerica | Area::Europe => 50_000_000,
    }
}

fn azure_outside(here: Area) -> Schedule {
    match here {
        Area::SouthAmerica => Schedule::flat(181_000_000),
        Area::Asia | Area::Oceania => Schedule::flat(120_000_000),
        Area::NorthAmerica | Area::Europe => AZURE_OUTSIDE,
    }
}

fn gcp_between(here: Area, there: Option<Area>) -> i64 {
    match (here, there) {
        (Area::Oceania, _) | (_, Some(Area::Oceania)) => 150_000_000,
        (Area::NorthAmerica, Some(Area::NorthAmerica)) => 10_000_000,
        (Area::Europe, Some(Area::Europe)) => 20_000_000,
        (Area::Asia, Some(Area::Asia)) => 50_000_000,
        _ => 80_000_000,
    }
}

fn gcp_outside(region: &str, here: Area, there: Option<Area>) -> Schedule {
    match region {
        _ if here == Area::Oceania || there == Some(Area::Oceania) => Schedule::flat(190_000_000),
        "asia-southeast1" => Schedule::flat(190_000_000),
        "asia-northeast2" | "asia-southeast2" => Schedule::flat(140_000_000),
        "asia-northeast3" => Schedule::flat(147_000_000),
        _ => GCP_OUTSIDE,
    }
}
