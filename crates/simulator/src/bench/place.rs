//! Placement: the time of large problems by shape, and whether a whole-number programme finds the same.

use super::bars::{self, beside};
use super::parts::Part;
use super::{BenchArgs, Row};
use crate::place::trial::{Trial, agreement, timed};
use crate::place::world::{Shape, generate};
use crate::problem::SimulationError;
use crate::svg::{Bars, Limit, Panel, in_threes};

const TASKS: usize = 50;
const AIM_S: f64 = 0.05;
/// Each problem is solved so often, and the least time counts.
const REPETITIONS: usize = 5;
const SHAPES: [(Shape, &str); 5] = [
    (Shape::Chain, "chain"),
    (Shape::Tree, "tree"),
    (Shape::Layers(5), "layers of 5"),
    (Shape::Random(10), "a tenth of all pairs joined"),
    (Shape::Random(20), "a fifth of all pairs joined"),
];
/// Seconds of SkyPilot 0.14.1, measured with its own code on two shared cores.
const SKYPILOT: [(&str, f64); 2] = [("SkyPilot, chain", 57.7), ("SkyPilot, graph of only 9 × 100", 209.0)];
/// Problems without a plan are passed over, but not for ever.
const SEEDS_A_PROBLEM_MAX: u64 = 20;

/// What the trials of a shape came to, in seconds.
struct Shaped {
    name: &'static str,
    worst: f64,
    worst_wall: f64,
    median: f64,
    proven: usize,
    of: usize,
}

/// Large problems of each shape, and small ones beside the whole-number programme.
pub fn compare(args: &BenchArgs) -> Result<Part, SimulationError> {
    let shaped: Vec<Shaped> = SHAPES.iter().map(|(shape, name)| trials(*shape, name, args)).collect();
    let mut rows = beside(shaped.iter().map(|shaped| row(shaped, args.offers)).collect(), &bars::PLACE);
    rows.extend(beside(vec![agreement_row(args.agreements)], &bars::AGREEMENT));
    Ok(Part { rows, pictures: vec![("place-fifty-by-thousand".to_owned(), picture(&shaped, args).into())] })
}

fn trials(shape: Shape, name: &'static str, args: &BenchArgs) -> Shaped {
    let solve = |seed: usize| timed(&generate(shape, TASKS, args.offers, seed as u64), REPETITIONS);
    let mut trials: Vec<Trial> = (0..args.placements).filter_map(solve).collect();
    trials.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    Shaped {
        name,
        worst: trials.last().map_or(f64::NAN, |trial| trial.seconds),
        worst_wall: trials.iter().map(|trial| trial.wall_seconds).fold(0.0, f64::max),
        median: trials.get(trials.len() / 2).map_or(f64::NAN, |trial| trial.seconds),
        proven: trials.iter().filter(|trial| trial.is_proven).count(),
        of: args.placements,
    }
}

fn row(shaped: &Shaped, offers: usize) -> Row {
    let Shaped { name, worst, worst_wall, median, proven, of } = shaped;
    Row {
        what: format!("placement, {TASKS} tasks × {} offers, {name}, {of} seeds", in_threes(&offers.to_string())),
        rivals: String::new(),
        ours: format!(
            "worst {:.1} ms, median {:.1} ms of processor time (worst {:.1} ms by the clock), {proven} of {of} proven best",
            worst * 1e3,
            median * 1e3,
            worst_wall * 1e3
        ),
        bound: String::new(),
        aim: "< 50 ms, proven".to_owned(),
        met: Some(*worst < AIM_S && proven == of),
    }
}

fn agreement_row(wanted: usize) -> Row {
    let seeds = 0..(wanted as u64).saturating_mul(SEEDS_A_PROBLEM_MAX);
    let (mut solved, mut same, mut proven, mut last) = (0_usize, 0_usize, 0_usize, 0);
    for (seed, found) in seeds.filter_map(|seed| Some((seed, agreement(seed)?))).take(wanted) {
        solved += 1;
        same += usize::from(found.is_same());
        proven += usize::from(found.is_proven());
        last = seed;
    }
    Row {
        what: format!(
            "placement, {} small random graphs (chains, trees, layers, dense), seeds 0 to {last}",
            in_threes(&solved.to_string())
        ),
        rivals: format!("whole-number programme: the same objective on {same} of {solved}"),
        ours: format!("{proven} of {solved} proven best"),
        bound: String::new(),
        aim: "the same objective on all".to_owned(),
        met: Some(solved == wanted && same == solved && proven == solved),
    }
}

fn picture(shaped: &[Shaped], args: &BenchArgs) -> Bars {
    let ms = |seconds: f64| {
        if seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
    };
    let ours = shaped.iter().map(|shaped| (shaped.worst * 1e3, ms(shaped.worst)));
    let theirs = SKYPILOT.iter().map(|(_, seconds)| (seconds * 1e3, ms(*seconds)));
    let medians = shaped.iter().map(|shaped| Some(shaped.median * 1e3));
    let names = shaped.iter().map(|shaped| format!("ours, {}", shaped.name));
    let panel = Panel {
        title: "milliseconds, in powers of ten".to_owned(),
        bars: ours.chain(theirs).collect(),
        marks: medians.chain(SKYPILOT.map(|_| None)).collect(),
        limit: Some(Limit { at: AIM_S * 1e3, words: "aim: 50 ms".to_owned() }),
        is_log: true,
    };
    Bars {
        title: format!("Time to place {TASKS} tasks on {} offers", in_threes(&args.offers.to_string())),
        subtitle: format!(
            "Bars: processor time, the worst of {} seeds. Dark line: their median. SkyPilot 0.14.1: its own code, on two shared cores.",
            args.placements
        ),
        rows: names.chain(SKYPILOT.map(|(name, _)| name.to_owned())).collect(),
        panels: vec![panel],
    }
}
