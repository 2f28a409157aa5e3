//! The sentences: what a constraint is called, and what a breach says with its numbers.

use std::fmt;

use super::{Breach, Constraint};

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cloud => "cloud not allowed",
            Self::Site => "site not allowed",
            Self::Residency => "outside the residency",
            Self::Outage => "out of service",
            Self::Market => "market not allowed",
            Self::Family => "family not allowed",
            Self::Accelerator => "no usable accelerator",
            Self::Accelerators => "too few accelerators",
            Self::Processors => "too few processors",
            Self::Memory => "too little memory",
            Self::ModelMemory => "too little memory for the model",
            Self::AcceleratorMemory => "too little accelerator memory",
            Self::Price => "over the price cap",
            Self::Quota => "quota too small",
            Self::NeverFinishes => "interrupted too often to finish",
            Self::Budget => "over the task's budget",
        })
    }
}

impl fmt::Display for Breach<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (need, supply, by, what) = (self.need, self.supply, self.need.by, self.need.what);
        match self.constraint {
            Constraint::Cloud => write!(f, "{by} does not allow cloud {}", supply.cloud),
            Constraint::Site => write!(f, "{by} does not allow this site"),
            Constraint::Residency => {
                write!(f, "it is in {}; {by} keeps data in {}", supply.jurisdiction, need.residency.join(", "))
            }
            Constraint::Outage => {
                write!(f, "out of service: {}", supply.out.unwrap_or("it cannot start instances now"))
            }
            Constraint::Market => f.write_str(supply.not_sold.unwrap_or_default()),
            Constraint::Family => {
                write!(f, "it is of the family {:?}; {by} allows {}", supply.family, need.families.join(", "))
            }
            Constraint::Accelerator => {
                let has = if supply.accelerator.is_empty() { "none" } else { supply.accelerator };
                write!(f, "its accelerator is {has}; {what} can use {}", need.accelerators.join(", "))
            }
            Constraint::Accelerators => {
                write!(f, "an instance has {} gpu; {what} needs {}", supply.accelerators, need.accelerators_least)
            }
            Constraint::Processors => {
                let (has, needs) = (Milli(supply.processors), Milli(need.processors));
                write!(f, "an instance has {has} cpu; {what} needs {needs}")
            }
            Constraint::Memory => {
                let (has, needs) = (Mebi(supply.memory_bytes), Mebi(need.memory_bytes));
                write!(f, "an instance has {has} memory; {what} needs {needs}")
            }
            Constraint::ModelMemory => {
                let (bytes, parts) = need.model.map_or((0, ""), |model| (model.bytes, model.parts));
                let (has, needs) = (gibi(supply.memory_bytes), gibi(bytes as f64));
                write!(f, "the model needs {needs} memory ({parts}); an instance has {has}")
            }
            Constraint::AcceleratorMemory => {
                let (has, needs) = (gibi(supply.accelerator_memory_bytes), gibi(need.accelerator_memory_bytes));
                write!(f, "its accelerators have {has} memory; {what} needs {needs}")
            }
            Constraint::Price => {
                let cap = need.price_cap.unwrap_or(supply.price_per_hour);
                write!(f, "{what} costs {}/h; {by} allows {cap}/h", supply.price_per_hour)
            }
            Constraint::Quota => match supply.in_use {
                Some((used, most)) => write!(f, "full: {used} of {most} instances are in use"),
                None => {
                    let left = supply.left.unwrap_or_default();
                    write!(f, "its quota leaves {left} instances; {} are needed", need.instances)
                }
            },
            other @ (Constraint::NeverFinishes | Constraint::Budget) => other.fmt(f),
        }
    }
}

/// Cores in thousandths: `500m`.
struct Milli(f64);

impl fmt::Display for Milli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}m", self.0 * 1_000.0)
    }
}

/// Bytes in whole mebibytes, rounded up: `512Mi`.
struct Mebi(f64);

impl fmt::Display for Mebi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}Mi", (self.0 / f64::from(1 << 20)).ceil())
    }
}

/// Bytes as somebody would say them: `5.2Gi`, or `512Mi` below one gibibyte.
#[must_use]
pub fn gibi(bytes: f64) -> String {
    let gibi = bytes / f64::from(1 << 30);
    if gibi < 1.0 { Mebi(bytes).to_string() } else { format!("{gibi:.1}Gi") }
}
