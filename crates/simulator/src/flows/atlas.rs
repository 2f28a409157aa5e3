//! Sixty regions of three clouds, where they stand, and what is roughly true there. Ordered so that the first few are
//! already spread over the world.
//!
//! Coordinates are those of the city or county that the provider names. People and prices by part of the world are round
//! figures of this project, not measurements: published prices of accelerators differ by a quarter between the United
//! States and Europe, and by more elsewhere.

use Part::{Africa, Asia, Europe, MiddleEast, NorthAmerica, Oceania, SouthAmerica};

/// Mean radius of the earth, kilometres.
const EARTH_KM: f64 = 6_371.0;

/// A part of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Canada, Mexico, United States.
    NorthAmerica,
    /// South America.
    SouthAmerica,
    /// Europe.
    Europe,
    /// From the Levant to the Gulf.
    MiddleEast,
    /// Africa.
    Africa,
    /// From India to Japan.
    Asia,
    /// Australia and New Zealand.
    Oceania,
}

impl Part {
    /// Requests that come from a region there, against those of one in North America.
    #[must_use]
    pub const fn demand(self) -> f64 {
        match self {
            NorthAmerica => 1.0,
            Europe => 0.9,
            Asia => 1.1,
            SouthAmerica => 0.6,
            MiddleEast | Oceania => 0.4,
            Africa => 0.3,
        }
    }

    /// Price of a machine, against North America.
    #[must_use]
    pub const fn price(self) -> f64 {
        match self {
            NorthAmerica => 1.0,
            Europe => 1.2,
            Asia | Oceania => 1.3,
            MiddleEast => 1.25,
            Africa => 1.4,
            SouthAmerica => 1.6,
        }
    }
}

/// Name, degrees north, degrees east, part of the world.
pub const REGIONS: [(&str, f64, f64, Part); 60] = [
    ("aws:us-east-1", 38.95, -77.45, NorthAmerica),
    ("gcp:europe-west4", 53.44, 6.84, Europe),
    ("azure:japaneast", 35.68, 139.77, Asia),
    ("gcp:us-central1", 41.26, -95.86, NorthAmerica),
    ("aws:ap-southeast-1", 1.35, 103.82, Asia),
    ("azure:uksouth", 51.51, -0.13, Europe),
    ("aws:us-west-2", 45.84, -119.7, NorthAmerica),
    ("gcp:asia-south1", 19.08, 72.88, Asia),
    ("aws:sa-east-1", -23.55, -46.63, SouthAmerica),
    ("aws:eu-central-1", 50.11, 8.68, Europe),
    ("azure:eastus2", 36.67, -78.39, NorthAmerica),
    ("aws:ap-northeast-2", 37.57, 126.98, Asia),
    ("aws:ap-southeast-2", -33.87, 151.21, Oceania),
    ("gcp:us-west1", 45.6, -121.18, NorthAmerica),
    ("azure:westeurope", 52.37, 4.9, Europe),
    ("aws:eu-west-1", 53.35, -6.26, Europe),
    ("azure:southcentralus", 29.42, -98.49, NorthAmerica),
    ("gcp:asia-east1", 24.05, 120.52, Asia),
    ("aws:ca-central-1", 45.5, -73.57, NorthAmerica),
    ("aws:eu-west-3", 48.86, 2.35, Europe),
    ("azure:centralindia", 18.52, 73.86, Asia),
    ("gcp:us-east4", 39.04, -77.49, NorthAmerica),
    ("aws:ap-northeast-1", 35.68, 139.69, Asia),
    ("aws:me-central-1", 25.2, 55.27, MiddleEast),
    ("azure:southafricanorth", -26.2, 28.05, Africa),
    ("gcp:europe-west1", 50.45, 3.82, Europe),
    ("aws:us-east-2", 39.96, -83.0, NorthAmerica),
    ("azure:westus2", 47.23, -119.85, NorthAmerica),
    ("gcp:southamerica-west1", -33.45, -70.67, SouthAmerica),
    ("gcp:asia-southeast2", -6.2, 106.85, Asia),
    ("aws:eu-north-1", 59.33, 18.06, Europe),
    ("azure:canadacentral", 43.65, -79.38, NorthAmerica),
    ("gcp:asia-northeast3", 37.57, 126.98, Asia),
    ("aws:ap-south-1", 19.08, 72.88, Asia),
    ("gcp:us-east1", 33.2, -80.01, NorthAmerica),
    ("aws:eu-south-1", 45.46, 9.19, Europe),
    ("azure:germanywestcentral", 50.11, 8.68, Europe),
    ("aws:us-west-1", 37.35, -121.96, NorthAmerica),
    ("gcp:australia-southeast2", -37.81, 144.96, Oceania),
    ("aws:ap-east-1", 22.32, 114.17, Asia),
    ("azure:brazilsouth", -23.55, -46.63, SouthAmerica),
    ("gcp:us-west4", 36.17, -115.14, NorthAmerica),
    ("aws:eu-west-2", 51.51, -0.13, Europe),
    ("azure:northeurope", 53.35, -6.26, Europe),
    ("gcp:europe-north1", 60.57, 27.2, Europe),
    ("azure:koreacentral", 37.57, 126.98, Asia),
    ("aws:me-south-1", 26.07, 50.55, MiddleEast),
    ("gcp:asia-south2", 28.61, 77.21, Asia),
    ("azure:northcentralus", 41.88, -87.63, NorthAmerica),
    ("azure:swedencentral", 60.67, 17.14, Europe),
    ("aws:ap-northeast-3", 34.69, 135.5, Asia),
    ("gcp:me-west1", 32.08, 34.78, MiddleEast),
    ("azure:switzerlandnorth", 47.37, 8.54, Europe),
    ("aws:af-south-1", -33.92, 18.42, Africa),
    ("azure:australiaeast", -33.87, 151.21, Oceania),
    ("gcp:southamerica-east1", -23.55, -46.63, SouthAmerica),
    ("azure:eastasia", 22.32, 114.17, Asia),
    ("aws:ap-southeast-3", -6.2, 106.85, Asia),
    ("azure:uaenorth", 25.2, 55.27, MiddleEast),
    ("aws:eu-south-2", 41.65, -0.88, Europe),
];

/// Kilometres over the globe between two points in degrees north and east (haversine).
#[must_use]
pub fn great_circle_km(from: (f64, f64), to: (f64, f64)) -> f64 {
    let (north, other) = (from.0.to_radians(), to.0.to_radians());
    let half = |angle: f64| (angle / 2.0).sin().powi(2);
    let chord = half(other - north) + north.cos() * other.cos() * half((to.1 - from.1).to_radians());
    2.0 * EARTH_KM * chord.clamp(0.0, 1.0).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_distances_are_those_of_an_atlas() {
        let names: std::collections::BTreeSet<&str> = REGIONS.iter().map(|row| row.0).collect();
        assert_eq!(names.len(), REGIONS.len());
        // London to New York is 5,570 km; the other side of the world is half its girth away.
        assert!((great_circle_km((51.51, -0.13), (40.71, -74.01)) - 5_570.0).abs() < 15.0);
        assert!((great_circle_km((0.0, 0.0), (0.0, 180.0)) - 20_015.0).abs() < 1.0);
    }
}
