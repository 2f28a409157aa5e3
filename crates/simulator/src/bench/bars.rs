//! The published bar beside each comparison, the command that gives its figures, and what is drawn by chance.
//!
//! Bars come from the papers and from re-implementations and measurements of the published code on two shared cores, some
//! of them on other traces, as each says. They are not the rivals of the table: those ran here, in the same world.

use serde::Serialize;

use super::Row;

/// What stands beside a row.
#[derive(Debug, Clone, Serialize)]
pub struct Source {
    /// Of what kind the row is.
    pub topic: &'static str,
    /// What others are known to reach, and on what.
    pub bar: &'static str,
    /// How to have these figures alone, as Markdown; DIR is the folder of public data, POLICY each policy of the row.
    pub command: &'static str,
    /// What is drawn by chance, and from which seeds.
    pub seeds: &'static str,
}

/// A row and what stands beside it.
#[derive(Debug, Clone, Serialize)]
pub struct Beside {
    /// What was measured.
    #[serde(flatten)]
    pub row: Row,
    /// What stands beside it.
    #[serde(flatten)]
    pub source: Source,
}

/// No chance in it.
const NONE: &str = "none: replays draw nothing";

/// Batch jobs, each zone by itself.
pub const BATCH_EACH: Source = Source {
    topic: "batch, each zone",
    bar: "in 60 h: Uniform Progress 0.617, greedy 0.670, optimum 0.561 (another trace: nine zones of V100, 2023; re-implemented)",
    command: "`mcp simulate spot-batch --traces DIR/spot/SET --work-hours 48 --deadline-hours 52|60|72 --changeover-hours 0.1 \
              --price-ratio 0.333 --starts 12 --zones ZONE --policy POLICY` for each zone but those of K80, on which the prior \
              was fitted",
    seeds: NONE,
};

/// Batch jobs that may move.
pub const BATCH_TOGETHER: Source = Source {
    topic: "batch, zones together",
    bar: "in 60 h: Uniform Progress over nine zones 0.339, floor 0.333 (another trace: nine zones of V100 in three regions, 2023; \
          re-implemented)",
    command: "the same with `--zones` and all of those zones, with commas between; the rows of all eight with `--zones all`",
    seeds: NONE,
};

/// Batch jobs that may move between drawn zones.
pub const BATCH_DRAWN: Source = Source {
    topic: "batch, drawn zones",
    bar: BATCH_TOGETHER.bar,
    command: "`mcp simulate generate traces --out NINE --zones 9 --ticks 10000 --tick-seconds 195 --seed 1`, then `mcp simulate \
              spot-batch --traces NINE --work-hours 48 --deadline-hours 60 --zones all --policy POLICY`",
    seeds: "1 draws the zones",
};

/// Checkpoints.
pub const CHECKPOINT: Source = Source {
    topic: "checkpoints",
    bar: "none published on these traces",
    command: "`mcp simulate checkpoint --traces DIR/spot/SET --write-hours 0.05 --start-hours 0.1 --policy POLICY`, on a folder of \
              the zones but those of K80, on which the prior was fitted",
    seeds: NONE,
};

/// Serving on spot.
pub const SERVE: Source = Source {
    topic: "serving",
    bar: "SpotHedge-like with two spare 0.557 at 99.5 %, omniscient 0.320 (this trace; re-implemented)",
    command: "`mcp simulate spot-serve --traces DIR/spot/SET --replicas 4 --cold-start-seconds 183 --price-ratio 0.3 \
              --target-availability 0.98|0.99|0.995|0.999 --policy ours`; SpotHedge with `--extra 0` to `6 --policy spothedge`",
    seeds: NONE,
};

/// Autoscaling.
pub const SCALE: Source = Source {
    topic: "autoscale",
    bar: "Knative 18,958 h; SkyServe 13,920 h but 34 % of time short; one-step oracle 14,163 h (this set; re-implemented)",
    command: "`mcp simulate autoscale --rates DIR/load/servegen_m-large_rate_600s.csv --rps-per-replica 5 \
              --cold-start-seconds 183 --between linear|step --policy POLICY`",
    seeds: NONE,
};

/// Routing of the public trace.
pub const ROUTE: Source = Source {
    topic: "routing",
    bar: "none published for this world: least outstanding, prefix hash and round robin run here",
    command: "`mcp simulate route --requests DIR/load/mooncake_conversation.jsonl \
              --world crates/simulator/worlds/three-regions.toml --policy POLICY`",
    seeds: "7 (in the world's file) draws each request's region; one seed alone",
};

/// Single requests a minute.
pub const THROUGHPUT: Source = Source {
    topic: "speed of routing",
    bar: "none published",
    command: "`mcp simulate route --generate N --rate 60 --turn-tokens 200 --output-tokens 100 --seed 1 \
              --world crates/simulator/worlds/three-regions.toml --policy ours`; here N is `--drawn-requests`",
    seeds: "1 draws the requests, 7 their regions",
};

/// A day of flows.
pub const FLOWS: Source = Source {
    topic: "flows",
    bar: "none published",
    command: "`mcp simulate flows --generate --regions 60 --requests-per-second 1000000 --hours 24 --policy POLICY`",
    seeds: "7 draws bursts, crowds and losses of spot; one seed alone",
};

/// Placement of large problems.
pub const PLACE: Source = Source {
    topic: "placement, large",
    bar: "SkyPilot 0.14.1 on 50 × 1,000: 57.7 s for a chain, by its dynamic programme; 209 s for a graph of 9 × 100, by its \
          whole-number programme (its own code, two shared cores)",
    command: "`mcp simulate bench --data DIR --placements 20`",
    seeds: "those from 0 upwards draw the problems",
};

/// Placement beside a whole-number programme.
pub const AGREEMENT: Source = Source {
    topic: "placement, small",
    bar: "the same objective as a whole-number programme",
    command: "`mcp simulate bench --data DIR --agreements 1000`",
    seeds: "those from 0 upwards whose problem has a plan",
};

/// Prices of transfers.
pub const EGRESS: Source = Source {
    topic: "egress",
    bar: "SkyPilot 0.14.1: $0 for exactly 10 TiB and 50 TiB out of AWS, less for 151 TiB than for 150 (its own code)",
    command: "`mcp simulate egress --from aws:us-east-1|azure:eastus|gcp:us-central1 --to internet --gb GB`",
    seeds: "none: every pair is priced",
};

/// Rows that share a source.
pub fn beside(rows: Vec<Row>, source: &Source) -> Vec<Beside> {
    rows.into_iter().map(|row| Beside { row, source: source.clone() }).collect()
}
