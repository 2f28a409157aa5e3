//! Seeded placement problems over the regions of the egress price list.

use planning::egress::known_regions;
use planning::placement::problem::{Checkpoint, Edge, FixedData, Market};
use planning::placement::{Offer, Problem, Task};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How the tasks hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Each task feeds the next.
    Chain,
    /// Each task but the first reads from one earlier task.
    Tree,
    /// Layers of this many tasks; each reads from up to three of the layer before.
    Layers(usize),
    /// Any earlier task feeds any later one with this chance in percent.
    Random(u32),
}

/// A problem of `tasks` tasks and `offers` offers.
#[must_use]
pub fn generate(shape: Shape, tasks: usize, offers: usize, seed: u64) -> Problem {
    let mut rng = StdRng::seed_from_u64(seed);
    let regions = known_regions();
    Problem {
        offers: (0..offers)
            .map(|at| offer(at, &regions[rng.random_range(0..regions.len())].to_string(), &mut rng))
            .collect(),
        tasks: (0..tasks)
            .map(|at| task(at, &regions[rng.random_range(0..regions.len())].to_string(), &mut rng))
            .collect(),
        edges: edges(shape, tasks, &mut rng),
        lambda_usd_per_hour: if rng.random_bool(0.5) { rng.random_range(0.0..5.0) } else { 0.0 },
        ..Problem::default()
    }
}

fn offer(at: usize, place: &str, rng: &mut StdRng) -> Offer {
    let (cloud, region) = place.split_once(':').unwrap_or_default();
    let size = 1_u32 << rng.random_range(2..7);
    let is_spot = rng.random_bool(0.4);
    let speed = rng.random_range(0.5..2.0);
    let usd_per_hour = f64::from(size) * rng.random_range(0.02..0.08) * speed * if is_spot { 0.35 } else { 1.0 };
    Offer {
        name: format!("offer-{at}"),
        cloud: cloud.to_owned(),
        region: region.to_owned(),
        zone: format!("{region}-{}", rng.random_range(0..3)),
        instance: format!("type-{size}"),
        family: ["general", "compute", "accelerated"][rng.random_range(0..3)].to_owned(),
        market: if is_spot { Market::Spot } else { Market::OnDemand },
        usd_per_hour,
        speed,
        vcpus: f64::from(size),
        memory_gib: f64::from(size * 4),
        quota: rng.random_bool(0.3).then(|| rng.random_range(0..8)),
        mean_up_hours: is_spot.then(|| rng.random_range(2.0..40.0)),
        boot_hours: 0.05,
        ..Offer::default()
    }
}

fn task(at: usize, place: &str, rng: &mut StdRng) -> Task {
    let data = FixedData { place: place.to_owned(), gb: rng.random_range(0.0..500.0) };
    Task {
        name: format!("task-{at}"),
        hours: rng.random_range(0.2..12.0),
        instances: rng.random_range(1..4),
        vcpus: f64::from(1_u32 << rng.random_range(0..4)),
        memory_gib: rng.random_range(1.0..64.0),
        families: if rng.random_bool(0.2) { vec!["general".to_owned(), "compute".to_owned()] } else { Vec::new() },
        markets: if rng.random_bool(0.2) { vec![Market::OnDemand] } else { Vec::new() },
        checkpoint: rng.random_bool(0.7).then_some(Checkpoint { write_hours: 0.02, restore_hours: 0.05 }),
        inputs: if rng.random_bool(0.3) { vec![data] } else { Vec::new() },
        ..Task::default()
    }
}

fn edges(shape: Shape, tasks: usize, rng: &mut StdRng) -> Vec<Edge> {
    let mut edges = Vec::new();
    for to in 1..tasks {
        let sources: Vec<usize> = match shape {
            Shape::Chain => vec![to - 1],
            Shape::Tree => vec![rng.random_range(0..to)],
            Shape::Layers(width) if to < width => Vec::new(),
            Shape::Layers(width) => {
                let start = (to / width - 1) * width;
                let mut picked: Vec<usize> = (0..3).map(|_| start + rng.random_range(0..width)).collect();
                picked.sort_unstable();
                picked.dedup();
                picked
            }
            Shape::Random(percent) => (0..to).filter(|_| rng.random_ratio(percent.min(100), 100)).collect(),
        };
        for from in sources {
            // From next to nothing to terabytes: what moves decides some problems and not others.
            let gb = 10_f64.powf(rng.random_range(-1.0..3.0));
            edges.push(Edge { from: format!("task-{from}"), to: format!("task-{to}"), gb });
        }
    }
    edges
}
