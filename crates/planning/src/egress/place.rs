//! Where data leaves from and goes to.

use std::fmt;
use std::str::FromStr;

/// What is wrong with a place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// It is not written like one.
    #[error("{0:?} is not a place: write cloud:region, like aws:us-east-1, or internet")]
    Form(String),
    /// The cloud has no prices here.
    #[error("no prices for the cloud {0:?}: known are aws, azure and gcp")]
    Cloud(String),
    /// The region has no prices here.
    #[error("no prices for the region {0}")]
    Region(String),
    /// Data cannot be billed as leaving the internet.
    #[error("the internet is no place to leave from")]
    FromInternet,
}

/// A cloud with published egress prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cloud {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
}

/// A region of a cloud, or anywhere outside.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// A region.
    Region(Cloud, String),
    /// The internet.
    Internet,
}

impl FromStr for Place {
    type Err = EgressError;
    fn from_str(text: &str) -> Result<Self, EgressError> {
        if text == "internet" {
            return Ok(Self::Internet);
        }
        let Some((cloud, region)) = text.split_once(':').filter(|(_, region)| !region.is_empty()) else {
            return Err(EgressError::Form(text.to_owned()));
        };
        let cloud = match cloud {
            "aws" => Cloud::Aws,
            "azure" => Cloud::Azure,
            "gcp" => Cloud::Gcp,
            other => return Err(EgressError::Cloud(other.to_owned())),
        };
        Ok(Self::Region(cloud, region.to_owned()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region(Cloud::Aws, region) => write!(f, "aws:{region}"),
            Self::Region(Cloud::Azure, region) => write!(f, "azure:{region}"),
            Self::Region(Cloud::Gcp, region) => write!(f, "gcp:{region}"),
            Self::Internet => write!(f, "internet"),
        }
    }
}

/// The part of the world a price list distinguishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// North America.
    NorthAmerica,
    /// Europe.
    Europe,
    /// Asia, with the Middle East and Africa, which the price lists treat alike where they are not listed by region.
    Asia,
    /// Oceania.
    Oceania,
    /// South America.
    SouthAmerica,
}

/// The area of a region by the cloud's way of naming; nothing when the name says none.
#[must_use]
pub fn area(cloud: Cloud, region: &str) -> Option<Area> {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| region.starts_with(prefix));
    let ends =
        |endings: &[&str]| endings.iter().any(|ending| region.trim_end_matches(char::is_numeric).ends_with(ending));
    match cloud {
        Cloud::Aws if starts(&["us-", "ca-", "mx-"]) => Some(Area::NorthAmerica),
        Cloud::Aws if starts(&["eu-"]) => Some(Area::Europe),
        Cloud::Aws if starts(&["ap-southeast-2", "ap-southeast-4", "ap-southeast-6"]) => Some(Area::Oceania),
        Cloud::Aws if starts(&["ap-", "me-", "af-", "il-"]) => Some(Area::Asia),
        Cloud::Gcp if starts(&["us-", "northamerica-"]) => Some(Area::NorthAmerica),
        Cloud::Gcp if starts(&["europe-"]) => Some(Area::Europe),
        Cloud::Gcp if starts(&["australia-"]) => Some(Area::Oceania),
        Cloud::Gcp if starts(&["asia-", "me-", "africa-"]) => Some(Area::Asia),
        Cloud::Aws | Cloud::Gcp if starts(&["sa-", "southamerica-"]) => Some(Area::SouthAmerica),
        Cloud::Azure if starts(&["brazil", "chile"]) => Some(Area::SouthAmerica),
        Cloud::Azure if starts(&["australia", "newzealand"]) => Some(Area::Oceania),
        Cloud::Azure if ends(&["us", "canadacentral", "canadaeast", "mexicocentral"]) => Some(Area::NorthAmerica),
        Cloud::Azure if ends(&["europe"]) || starts(EUROPE_ON_AZURE) => Some(Area::Europe),
        Cloud::Azure if ends(&["asia", "india"]) || starts(ASIA_ON_AZURE) => Some(Area::Asia),
        _ => None,
    }
}

const EUROPE_ON_AZURE: &[&str] = &[
    "uk",
    "france",
    "germany",
    "norway",
    "sweden",
    "switzerland",
    "italy",
    "poland",
    "spain",
    "austria",
    "belgium",
    "denmark",
];
const ASIA_ON_AZURE: &[&str] = &["japan", "korea", "uae", "qatar", "southafrica", "israel", "indonesia", "malaysia"];
