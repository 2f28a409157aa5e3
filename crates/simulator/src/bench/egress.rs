//! Prices of transfers at the limits of every tier, beside SkyPilot's rule.
//!
//! The rule is re-implemented from the description of SkyPilot 0.14.1's tier arithmetic (sky/clouds/aws.py, azure.py and
//! gcp.py, `get_egress_cost`) and gives its published figures to the dollar.

use planning::egress::{Bytes, Cloud, Place, Schedule, known_regions, schedule};

use super::Row;
use super::bars::{self, beside};
use super::parts::Part;
use crate::problem::SimulationError;
use crate::svg::{Chart, Series, in_threes};

const GB: u64 = 1 << 30;
const TIB_GB: u64 = 1_024;
/// Amounts at which a cloud's prices are shown, in gigabytes, each with the dollars that the published tiers come to,
/// worked out by hand.
type Shown = (Cloud, &'static str, &'static str, &'static [(u64, f64)]);
const SHOWN: [Shown; 3] = [
    (
        Cloud::Aws,
        "us-east-1",
        "AWS",
        &[
            (10 * TIB_GB, 921.60),
            (50 * TIB_GB, 4_403.20),
            (60 * TIB_GB, 5_120.00),
            (100 * TIB_GB, 7_987.20),
            (150 * TIB_GB, 11_571.20),
            (151 * TIB_GB, 11_622.40),
        ],
    ),
    (
        Cloud::Azure,
        "eastus",
        "Azure",
        &[
            (10 * TIB_GB, 890.88),
            (50 * TIB_GB, 4_290.56),
            (60 * TIB_GB, 5_007.36),
            (100 * TIB_GB, 7_874.56),
            (150 * TIB_GB, 11_458.56),
            (151 * TIB_GB, 11_509.76),
        ],
    ),
    (
        Cloud::Gcp,
        "us-central1",
        "Google",
        &[(TIB_GB, 122.88), (TIB_GB + 1, 122.99), (10 * TIB_GB, 1_136.64), (10 * TIB_GB + 1, 1_136.72)],
    ),
];

/// The clouds one by one, and every pair of places.
pub fn compare() -> Result<Part, SimulationError> {
    let mut rows = Vec::new();
    for shown in &SHOWN {
        rows.push(cloud_row(shown)?);
    }
    rows.push(every_pair()?);
    Ok(Part { rows: beside(rows, &bars::EGRESS), pictures: vec![("egress-out-of-aws".to_owned(), picture()?.into())] })
}

fn outside(cloud: Cloud, region: &str) -> Result<Schedule, SimulationError> {
    priced(&Place::Region(cloud, region.to_owned()), &Place::Internet)
}

fn priced(from: &Place, to: &Place) -> Result<Schedule, SimulationError> {
    schedule(from, to).map_err(|error| SimulationError::argument("data", error.to_string()))
}

fn cloud_row((cloud, region, name, shown): &Shown) -> Result<Row, SimulationError> {
    let tiers = outside(*cloud, region)?;
    let ours: Vec<f64> = shown.iter().map(|(gb, _)| tiers.price(Bytes(0), Bytes(gb * GB)).dollars()).collect();
    let theirs: Vec<f64> = shown.iter().map(|(gb, _)| skypilot_usd(*cloud, *gb as f64)).collect();
    let amounts: Vec<String> = shown.iter().map(|(gb, _)| amount(*gb)).collect();
    let is_exact = ours.iter().zip(*shown).all(|(ours, (_, exact))| (ours - exact).abs() < 0.005);
    let list = |usd: &[f64]| {
        usd.iter().map(|usd| format!("${}", in_threes(&format!("{usd:.2}")))).collect::<Vec<_>>().join(", ")
    };
    let exact: Vec<f64> = shown.iter().map(|(_, exact)| *exact).collect();
    Ok(Row {
        what: format!("egress, {name} to the internet or another cloud: {}", amounts.join(", ")),
        rivals: format!("SkyPilot's rule {}", list(&theirs)),
        ours: list(&ours),
        bound: format!("published tiers by hand {}", list(&exact)),
        aim: "exact to the cent".to_owned(),
        met: Some(is_exact),
    })
}

fn amount(gb: u64) -> String {
    if gb.is_multiple_of(TIB_GB) {
        format!("{} TiB", gb / TIB_GB)
    } else {
        format!("{} GiB", in_threes(&gb.to_string()))
    }
}

/// Every pair of places at every limit of its tiers, with a byte less and a byte more, and in two parts.
fn every_pair() -> Result<Row, SimulationError> {
    let regions = known_regions();
    let (mut pairs, mut checks, mut exact) = (0_usize, 0_usize, 0_usize);
    for from in &regions {
        for to in regions.iter().chain([&Place::Internet]) {
            let tiers = priced(from, to)?;
            pairs += 1;
            // A pair with one price is looked at where the others have their limits.
            let limits: Vec<u64> = match tiers.tiers {
                [] => vec![TIB_GB, 10 * TIB_GB],
                tiers => tiers.iter().map(|(limit, _)| *limit).collect(),
            };
            for bytes in limits.iter().flat_map(|limit| [limit * GB - 1, limit * GB, limit * GB + 1]) {
                checks += 1;
                exact += usize::from(is_exact(&tiers, bytes));
            }
        }
    }
    Ok(Row {
        what: format!(
            "egress, all {} pairs of {} regions and the internet, at each limit of a tier and a byte beside",
            in_threes(&pairs.to_string()),
            regions.len()
        ),
        rivals: "SkyPilot's rule: $0 between regions of one cloud, one price a cloud elsewhere".to_owned(),
        ours: format!(
            "{} of {} amounts exact to the nano-dollar, whole and in two parts",
            in_threes(&exact.to_string()),
            in_threes(&checks.to_string())
        ),
        bound: String::new(),
        aim: "exact at every boundary".to_owned(),
        met: Some(exact == checks),
    })
}

/// Whether the price of `bytes` is the sum, gigabyte by gigabyte and byte by byte, of the tiers they fall into, rounded once; and
/// whether sending the last gigabyte by itself costs the rest, within the rounding of both.
fn is_exact(tiers: &Schedule, bytes: u64) -> bool {
    let (mut left, mut below, mut scaled) = (u128::from(bytes), 0_u128, 0_u128);
    for (limit, nanos) in tiers.tiers {
        let room = u128::from(*limit) * u128::from(GB) - below;
        let here = left.min(room);
        scaled += here * nanos.unsigned_abs() as u128;
        (left, below) = (left - here, below + room);
    }
    scaled += left * tiers.beyond.unsigned_abs() as u128;
    let sum = (scaled * 2 + u128::from(GB)) / (u128::from(GB) * 2);
    let whole = tiers.price(Bytes(0), Bytes(bytes)).0;
    let first = bytes.saturating_sub(GB);
    let parts = tiers.price(Bytes(0), Bytes(first)).0 + tiers.price(Bytes(first), Bytes(bytes - first)).0;
    u128::try_from(whole) == Ok(sum) && (whole - parts).abs() <= 1
}

/// Dollars out of a cloud by SkyPilot's rule. AWS and Azure: what lies above a tier's limit is charged at the next tier's price,
/// then the limit is taken off the amount, so that nothing is charged for the tier itself once an amount reaches it; above
/// 150 TiB all of it has the last price. Google: all of it has the price of the tier it ends in.
fn skypilot_usd(cloud: Cloud, gb: f64) -> f64 {
    let tib = TIB_GB as f64;
    let (beyond_ten, first) = match cloud {
        Cloud::Aws => (0.085, 0.09),
        Cloud::Azure => (0.083, 0.0875),
        Cloud::Gcp => {
            return gb
                * if gb <= tib {
                    0.12
                } else if gb <= 10.0 * tib {
                    0.11
                } else {
                    0.08
                };
        }
    };
    if gb > 150.0 * tib {
        return 0.05 * gb;
    }
    // The first gigabyte was free.
    let steps = [(50.0 * tib, 0.07), (10.0 * tib, beyond_ten), (1.0, first)];
    let (_, usd) = steps.iter().fold((gb, 0.0), |(left, usd), (limit, price)| {
        if left >= *limit { (left - limit, usd + (left - limit) * price) } else { (left, usd) }
    });
    usd
}

/// Tebibytes out of AWS and the dollars that SkyPilot 0.14.1's own code gave for them, as published.
const MEASURED: [(u32, f64); 6] = [(10, 0.0), (50, 0.0), (60, 716.8), (100, 10_752.0), (150, 23_296.0), (151, 7_731.0)];
/// The end of the picture, and how finely it is drawn.
const DRAWN_TIB: u32 = 200;
const POINTS_A_TIB: u32 = 4;

fn picture() -> Result<Chart, SimulationError> {
    let tiers = outside(Cloud::Aws, "us-east-1")?;
    let tib = (0..=DRAWN_TIB * POINTS_A_TIB).map(|step| f64::from(step) / f64::from(POINTS_A_TIB));
    let drawn = |usd: &dyn Fn(f64) -> f64| tib.clone().map(|tib| (tib, usd(tib * TIB_GB as f64))).collect();
    let ours = |gb: f64| Bytes::from_gb(gb).map_or(f64::NAN, |bytes| tiers.price(Bytes(0), bytes).dollars());
    let series = |name: &str, points, joined| Series { name: name.to_owned(), points, joined };
    let measured = MEASURED.iter().map(|(tib, usd)| (f64::from(*tib), *usd)).collect();
    Ok(Chart {
        title: "What data costs that leaves AWS us-east-1 for another cloud in a month".to_owned(),
        across: "amount (TiB)".to_owned(),
        up: "price (dollars)".to_owned(),
        series: vec![
            series("SkyPilot 0.14.1, its rule", drawn(&|gb| skypilot_usd(Cloud::Aws, gb)), true),
            series("SkyPilot 0.14.1, measured", measured, false),
            series("ours: the published tiers", drawn(&ours), true),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_gives_the_figures_measured_with_skypilot_itself() {
        let aws = MEASURED.map(|(tib, usd)| (Cloud::Aws, u64::from(tib) * TIB_GB, usd));
        let google = [(Cloud::Gcp, TIB_GB, 122.9), (Cloud::Gcp, TIB_GB + 1, 112.8)];
        for (cloud, gb, usd) in aws.into_iter().chain(google) {
            let said = skypilot_usd(cloud, gb as f64);
            assert!((said - usd).abs() <= 0.5, "{cloud:?} {gb}: {said}");
        }
    }
}
