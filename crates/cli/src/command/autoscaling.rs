//! The flags that say how replicas follow the load, for the commands that take them.

use control::api::types::AutoscalingRequest;
use domain::{Problem, ReplicaCarries};

/// `--autoscale 0..5 --requests-per-second-per-replica 2`
#[derive(Debug, clap::Args)]
// Its name is that of the arguments it becomes part of.
#[group(skip)]
#[command(next_help_heading = "Following the load")]
pub struct Args {
    /// Let the replicas follow the load between a fewest and a most, such as 1..8; with a fewest of 0 none is kept when
    /// nothing is asked for long enough.
    #[arg(long, value_name = "MIN..MAX", conflicts_with = "replicas")]
    pub autoscale: Option<String>,
    /// Requests a second that one replica carries.
    #[arg(long, value_name = "RATE", requires = "autoscale", allow_negative_numbers = true)]
    pub requests_per_second_per_replica: Option<f64>,
    /// Prompt tokens a second that one replica reads.
    #[arg(long, value_name = "RATE", requires = "autoscale", allow_negative_numbers = true)]
    pub prompt_tokens_per_second_per_replica: Option<f64>,
    /// Tokens a second that one replica generates, all its requests together.
    #[arg(long, value_name = "RATE", requires = "autoscale", allow_negative_numbers = true)]
    pub generated_tokens_per_second_per_replica: Option<f64>,
    /// Share of the load that may come when every replica is busy; 0.001 unless given.
    #[arg(long, value_name = "SHARE", requires = "autoscale", allow_negative_numbers = true)]
    pub over_capacity_share: Option<f64>,
}

impl Args {
    /// What was asked for, if anything was.
    pub fn request(&self) -> Result<Option<AutoscalingRequest>, Problem> {
        let Some(range) = &self.autoscale else { return Ok(None) };
        let wrong = || {
            Problem::invalid(format!("{range:?} is no range of replicas"))
                .next("write the fewest and the most like '0..5' or '1..8'")
                .at("autoscale")
        };
        let (min, max) = range.split_once("..").ok_or_else(wrong)?;
        let count = |text: &str| text.trim().parse::<i64>().map_err(|_| wrong());
        Ok(Some(AutoscalingRequest {
            replicas_min: count(min)?,
            replicas_max: count(max.trim_start_matches('='))?,
            replica_carries: ReplicaCarries {
                requests_per_second: self.requests_per_second_per_replica,
                prompt_tokens_per_second: self.prompt_tokens_per_second_per_replica,
                generated_tokens_per_second: self.generated_tokens_per_second_per_replica,
            },
            over_capacity_share: self.over_capacity_share,
        }))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::args::{Args, Command};

    fn deploy(flags: &str) -> Result<super::Args, String> {
        let words = format!("mcp deploy --model demo:1.0 --environment production {flags}");
        match Args::try_parse_from(words.split_whitespace()).map_err(|error| error.to_string())?.command {
            Command::Deploy(args) => Ok(args.autoscaling),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn a_range_and_what_a_replica_carries_make_a_request() {
        let asked = deploy("--autoscale 0..5 --requests-per-second-per-replica 2.5").expect("it parses");
        let request = asked.request().expect("a range").expect("asked for");
        assert_eq!((request.replicas_min, request.replicas_max), (0, 5));
        assert_eq!(request.replica_carries.requests_per_second, Some(2.5));
        assert_eq!(deploy("--replicas 2").expect("it parses").request().expect("nothing wrong"), None);
        for range in ["5", "a..b", "..", "1...5", "1..5..6"] {
            let asked = deploy(&format!("--autoscale {range} --requests-per-second-per-replica 1")).expect("it parses");
            assert_eq!(asked.request().expect_err(range).field.as_deref(), Some("autoscale"));
        }
    }

    #[test]
    fn flags_that_exclude_or_need_each_other_say_so() {
        for (flags, said) in [
            ("--requests-per-second-per-replica 5", "--autoscale"),
            ("--replicas 3 --autoscale 1..5 --requests-per-second-per-replica 5", "cannot be used with"),
        ] {
            let error = deploy(flags).expect_err(flags);
            assert!(error.contains(said), "{flags}: {error}");
        }
    }
}
