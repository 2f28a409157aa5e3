//! What one replica needs: processors, memory, accelerators. Written `cpu=1,memory=1Gi,gpu=1`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// Resources of one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Processor cores, in thousandths.
    pub cpu_milli: u32,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Whole accelerators.
    #[serde(default)]
    pub gpu: u32,
}

impl FromStr for Resources {
    type Err = Problem;

    /// Parses `key=value` pairs in Kubernetes quantities: `cpu=500m`, `memory=32Gi`, `gpu=1`. `cpu` and `memory` are
    /// optional when `gpu` is given (then 1 core and 1 GiB).
    fn from_str(text: &str) -> Result<Self, Problem> {
        let mut found = (None, None, None);
        for pair in text.split(',') {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| unparsable(text, &format!("{pair:?} is not key=value")))?;
            let repeated = match key.trim() {
                "cpu" => found.0.replace(parse_milli(text, value)?).is_some(),
                "memory" => found.1.replace(parse_bytes(text, value)?).is_some(),
                "gpu" => found
                    .2
                    .replace(value.trim().parse().map_err(|_| unparsable(text, "gpu is a whole number"))?)
                    .is_some(),
                other => return Err(unparsable(text, &format!("{other:?} is not a resource"))),
            };
            if repeated {
                return Err(unparsable(text, &format!("{} is given twice", key.trim())));
            }
        }
        let resources = Self {
            cpu_milli: found.0.unwrap_or(1_000),
            memory_bytes: found.1.unwrap_or(1 << 30),
            gpu: found.2.unwrap_or(0),
        };
        if resources.cpu_milli == 0 || resources.memory_bytes == 0 {
            return Err(unparsable(text, "cpu and memory are more than zero"));
        }
        Ok(resources)
    }
}

fn unparsable(text: &str, cause: &str) -> Problem {
    let shown: String = text.chars().take(80).collect();
    Problem::invalid(format!("resources {shown:?}: {cause}"))
        .next("write them like 'cpu=1,memory=1Gi' or 'gpu=1,memory=32Gi'")
        .at("resources")
}

fn parse_milli(text: &str, value: &str) -> Result<u32, Problem> {
    let value = value.trim();
    let wrong = || unparsable(text, "cpu is a number of cores like 2, 0.5 or 500m");
    if let Some(milli) = value.strip_suffix('m') {
        return milli.parse().map_err(|_| wrong());
    }
    let cores: f64 = value.parse().map_err(|_| wrong())?;
    if !(0.0..=4_000_000.0).contains(&cores) {
        return Err(wrong());
    }
    let milli = (cores * 1_000.0).round() as u32;
    Ok(milli)
}

fn parse_bytes(text: &str, value: &str) -> Result<u64, Problem> {
    const UNITS: [(&str, u64); 9] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("", 1),
    ];
    let value = value.trim();
    let wrong = || unparsable(text, "memory is a whole number with a unit like 512Mi or 32Gi");
    let (suffix, scale) = UNITS.iter().find(|(suffix, _)| value.ends_with(suffix)).ok_or_else(wrong)?;
    let number: u64 = value[..value.len() - suffix.len()].trim().parse().map_err(|_| wrong())?;
    number.checked_mul(*scale).ok_or_else(wrong)
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.cpu_milli.is_multiple_of(1_000) {
            write!(f, "cpu={}", self.cpu_milli / 1_000)?;
        } else {
            write!(f, "cpu={}m", self.cpu_milli)?;
        }
        let memory = [(1_u64 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")]
            .into_iter()
            .find(|(scale, _)| self.memory_bytes.is_multiple_of(*scale));
        match memory {
            Some((scale, unit)) => write!(f, ",memory={}{unit}", self.memory_bytes / scale)?,
            None => write!(f, ",memory={}", self.memory_bytes)?,
        }
        if self.gpu > 0 {
            write!(f, ",gpu={}", self.gpu)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_forms_people_write() {
        let parsed: Resources = "cpu=1,memory=1Gi".parse().expect("a common form");
        assert_eq!(parsed, Resources { cpu_milli: 1_000, memory_bytes: 1 << 30, gpu: 0 });
        assert_eq!("gpu=1,memory=32Gi".parse::<Resources>().expect("the toolkit's form").gpu, 1);
        assert_eq!("cpu=0.5,memory=512Mi".parse::<Resources>().expect("a fraction").cpu_milli, 500);
        for bad in [
            "",
            "cpu",
            "cpu=",
            "cpu=-1",
            "cpu=1,cpu=2",
            "memory=1Xi",
            "memory=-1Gi",
            "disk=3",
            "cpu=0",
            "memory=99999999999Ti",
            "cpu=nan",
        ] {
            let problem = bad.parse::<Resources>().expect_err(bad);
            assert!(problem.next_step.is_some(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn display_parses_back(cpu_milli in 1_u32..1_000_000, memory_bytes in 1_u64..1 << 50, gpu in 0_u32..16) {
            let resources = Resources { cpu_milli, memory_bytes, gpu };
            prop_assert_eq!(resources.to_string().parse::<Resources>().expect("own form"), resources);
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,40}") {
            let _ = text.parse::<Resources>();
        }
    }
}
