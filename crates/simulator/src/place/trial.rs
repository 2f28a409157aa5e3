//! Trials of the placement solver on seeded problems: whether it agrees with the whole-number programme, and how long it takes.

use planning::placement::{Costs, Problem, place};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::solve_as_ilp;
use super::world::{Shape, generate};
use crate::stopwatch::Stopwatch;

/// The shape that goes with a seed: chains, trees, layers and dense graphs in turn.
#[must_use]
pub fn small_shape(seed: u64) -> Shape {
    [Shape::Chain, Shape::Tree, Shape::Layers(2), Shape::Random(50)][(seed % 4) as usize]
}

/// A problem of 2 to 6 tasks and 2 to 8 offers: small enough for the whole-number programme.
#[must_use]
pub fn small_problem(seed: u64) -> Problem {
    let mut rng = StdRng::seed_from_u64(seed);
    generate(small_shape(seed), rng.random_range(2..7), rng.random_range(2..9), seed)
}

/// What both solvers found, in nano-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// Our objective.
    pub ours: i64,
    /// Our lower bound.
    pub lower_bound: i64,
    /// The price of the programme's plan; nothing when it gave up.
    pub programme: Option<i64>,
}

impl Agreement {
    /// Nothing costs less.
    #[must_use]
    pub const fn is_proven(&self) -> bool {
        self.ours == self.lower_bound
    }

    /// The same. The programme works in floating point and may stop at a plan that is dearer by its tolerance: a
    /// micro-dollar, and a millionth.
    #[must_use]
    pub fn is_same(&self) -> bool {
        let dearer = self.programme.map(|programme| (programme - self.ours, programme));
        dearer.is_some_and(|(by, programme)| (0..=1_000 + programme / 1_000_000).contains(&by))
    }
}

/// Solves the small problem of a seed both ways; nothing when no plan exists.
#[must_use]
pub fn agreement(seed: u64) -> Option<Agreement> {
    let problem = small_problem(seed);
    let found = place(&problem).ok()?;
    let costs = Costs::new(&problem).ok()?;
    let programme = solve_as_ilp(&problem, &costs).ok().map(|offers| costs.bill(&problem, &offers).objective());
    Some(Agreement { ours: found.objective, lower_bound: found.lower_bound, programme })
}

/// One problem solved.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    /// Processor time of pricing and solving, the least of all repetitions: other work on the machine only ever adds.
    pub seconds: f64,
    /// The least of them by the clock on the wall.
    pub wall_seconds: f64,
    /// Nodes of the search.
    pub nodes: usize,
    /// The plan is proven best.
    pub is_proven: bool,
}

/// Solves a problem `repetitions` times; nothing when no plan exists.
#[must_use]
pub fn timed(problem: &Problem, repetitions: usize) -> Option<Trial> {
    let once = || {
        let watch = Stopwatch::start();
        let found = place(problem).ok()?;
        let (seconds, wall_seconds) = (watch.processor_s(), watch.wall_s());
        Some(Trial { seconds, wall_seconds, nodes: found.nodes, is_proven: found.objective == found.lower_bound })
    };
    let mut best = once()?;
    for _ in 1..repetitions {
        let again = once()?;
        best.seconds = best.seconds.min(again.seconds);
        best.wall_seconds = best.wall_seconds.min(again.wall_seconds);
    }
    Some(best)
}
