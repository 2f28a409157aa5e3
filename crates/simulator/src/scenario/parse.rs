//! The language of scenarios: words on a line.
//!
//! ```text
//! world FILE.toml
//! seed N
//! load N requests at RATE [turn TOKENS] [answer TOKENS]
//! outage REGION at SECONDS for SECONDS
//! policy NAME …
//! print FIGURE …
//! expect POLICY.FIGURE (<|<=|>|>=|=) (POLICY.FIGURE|NUMBER)
//! ```

use std::fmt;
use std::str::FromStr;

use super::POLICIES;
use crate::route::{Conversations, RoutePolicyName};

/// Longest outage and latest beginning, seconds.
const SECONDS_MAX: f64 = 1e9;
/// Most requests of a load.
const REQUESTS_MAX: usize = 100_000_000;

/// A scenario, understood.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The world's file, from the scenario's folder.
    pub world: String,
    /// Decides what is drawn.
    pub seed: u64,
    /// The load.
    pub load: Conversations,
    /// In order of the file.
    pub outages: Vec<OutageLine>,
    /// Who is to decide, each by himself.
    pub policies: Vec<RoutePolicyName>,
    /// What is printed and expected, with line numbers.
    pub statements: Vec<(usize, Statement)>,
}

/// An outage as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutageLine {
    /// Line number.
    pub line: usize,
    /// The region's name.
    pub region: String,
    /// When it begins.
    pub from_us: u64,
    /// How long it lasts.
    pub length_us: u64,
}

/// What is said about the result.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// Figures of every policy.
    Print(Vec<Figure>),
    /// Something that must hold.
    Expect {
        /// What is compared.
        left: Operand,
        /// How.
        compare: Compare,
        /// With what.
        right: Operand,
    },
}

/// A figure or a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operand {
    /// A number.
    Number(f64),
    /// A policy's figure.
    Of(RoutePolicyName, Figure),
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As it is written.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|one| one.word() == text).ok_or_else(|| {
                    let known: Vec<&str> = Self::ALL.iter().map(|one| one.word()).collect();
                    format!("{text:?} is not one of {}", known.join(", "))
                })
            }
        }
    };
}

words! {
    /// What is known of a run.
    Figure {
        /// Mean time to first token.
        MeanTtft = "mean_ttft_s",
        /// 99 of 100 were faster.
        P99Ttft = "p99_ttft_s",
        /// Dollars used.
        Usd = "usd",
        /// Share answered to the end.
        CompletedShare = "completed_share",
        /// Share of prompt blocks found in a cache.
        PrefixHitShare = "prefix_hit_share",
        /// Sent again after a loss.
        Resent = "resent",
        /// Nobody might serve them in time.
        Unserved = "unserved",
    }
}

words! {
    /// How two values are compared.
    Compare {
        /// Less.
        Less = "<",
        /// Not more.
        AtMost = "<=",
        /// More.
        More = ">",
        /// Not less.
        AtLeast = ">=",
        /// The same.
        Equal = "=",
    }
}

impl Compare {
    /// Whether it holds.
    #[must_use]
    pub fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
            Self::Equal => left == right,
        }
    }
}

impl fmt::Display for Compare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Of(policy, figure) => write!(f, "{}.{}", policy_word(*policy), figure.word()),
        }
    }
}

/// A policy as it is written.
pub(super) fn policy_word(name: RoutePolicyName) -> &'static str {
    POLICIES.iter().find(|(_, known)| *known == name).map_or("", |(word, _)| word)
}

/// Understands a scenario, or says what is wrong and on which line.
pub fn parse_scenario(text: &str) -> Result<Scenario, String> {
    let mut world = None;
    let mut load = None;
    let mut scenario = Scenario {
        world: String::new(),
        seed: 1,
        load: Conversations::default(),
        outages: Vec::new(),
        policies: Vec::new(),
        statements: Vec::new(),
    };
    for (line, text) in text.lines().enumerate().map(|(at, text)| (at + 1, text)) {
        let words: Vec<&str> = text.split('#').next().unwrap_or_default().split_whitespace().collect();
        let understood = match words.as_slice() {
            [] => Ok(()),
            ["world", file] => set_once(&mut world, (*file).to_owned(), "world"),
            ["seed", seed] => seed.parse().map(|seed| scenario.seed = seed).map_err(|_| format!("{seed:?} is no seed")),
            ["load", rest @ ..] => parse_load(rest).and_then(|parsed| set_once(&mut load, parsed, "load")),
            ["outage", region, "at", from, "for", length] => {
                parse_outage(line, region, from, length).map(|outage| scenario.outages.push(outage))
            }
            ["policy", names @ ..] if !names.is_empty() => {
                names.iter().try_for_each(|name| parse_policy(name).map(|name| scenario.policies.push(name)))
            }
            ["print", figures @ ..] if !figures.is_empty() => {
                let figures = figures.iter().map(|figure| figure.parse()).collect::<Result<_, _>>();
                figures.map(|figures| scenario.statements.push((line, Statement::Print(figures))))
            }
            ["expect", left, compare, right] => {
                parse_expect(left, compare, right).map(|statement| scenario.statements.push((line, statement)))
            }
            _ => Err(format!("{text:?} is not understood")),
        };
        understood.map_err(|cause| format!("line {line}: {cause}"))?;
    }
    scenario.world = world.ok_or("there is no world")?;
    scenario.load = load.ok_or("there is no load")?;
    if scenario.policies.is_empty() {
        return Err("there is no policy".to_owned());
    }
    checked(scenario)
}

/// Refuses what is expected of a policy that does not run.
fn checked(scenario: Scenario) -> Result<Scenario, String> {
    for (line, statement) in &scenario.statements {
        let Statement::Expect { left, right, .. } = statement else { continue };
        for operand in [left, right] {
            match operand {
                Operand::Of(policy, _) if !scenario.policies.contains(policy) => {
                    return Err(format!("line {line}: policy {} does not run", policy_word(*policy)));
                }
                _ => {}
            }
        }
    }
    Ok(scenario)
}

fn set_once<T>(slot: &mut Option<T>, value: T, what: &str) -> Result<(), String> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("a second {what}")),
    }
}

fn parse_load(words: &[&str]) -> Result<Conversations, String> {
    let [count, "requests", "at", rate, options @ ..] = words else {
        return Err("a load is `load N requests at RATE [turn TOKENS] [answer TOKENS]`".to_owned());
    };
    let requests: usize = count.parse().map_err(|_| format!("{count:?} is no count"))?;
    if !(1..=REQUESTS_MAX).contains(&requests) {
        return Err(format!("{requests} requests are not 1 to {REQUESTS_MAX}"));
    }
    let mut load = Conversations { requests, per_second: above_zero(rate)?, ..Conversations::default() };
    for option in options.chunks(2) {
        match option {
            ["turn", tokens] => load.turn_tokens = above_zero(tokens)?,
            ["answer", tokens] => load.output_tokens = above_zero(tokens)?,
            _ => return Err(format!("{:?} is not understood", option.join(" "))),
        }
    }
    Ok(load)
}

fn parse_outage(line: usize, region: &str, from: &str, length: &str) -> Result<OutageLine, String> {
    let micros = |text: &str| match text.parse::<f64>() {
        Ok(seconds) if (0.0..=SECONDS_MAX).contains(&seconds) => Ok((seconds * 1e6) as u64),
        _ => Err(format!("{text:?} is no time in seconds")),
    };
    Ok(OutageLine { line, region: region.to_owned(), from_us: micros(from)?, length_us: micros(length)? })
}

fn parse_policy(name: &str) -> Result<RoutePolicyName, String> {
    let found = POLICIES.iter().find(|(word, _)| *word == name).map(|(_, policy)| *policy);
    found.ok_or_else(|| format!("{name:?} is no policy"))
}

fn parse_expect(left: &str, compare: &str, right: &str) -> Result<Statement, String> {
    Ok(Statement::Expect { left: parse_operand(left)?, compare: compare.parse()?, right: parse_operand(right)? })
}

fn parse_operand(text: &str) -> Result<Operand, String> {
    if let Ok(number) = text.parse::<f64>() {
        return if number.is_finite() { Ok(Operand::Number(number)) } else { Err(format!("{text:?} is no number")) };
    }
    let (policy, figure) = text.split_once('.').ok_or_else(|| format!("{text:?} is neither a number nor a figure"))?;
    Ok(Operand::Of(parse_policy(policy)?, figure.parse()?))
}

fn above_zero(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 1e9 => Ok(number),
        _ => Err(format!("{text:?} is no number above zero")),
    }
}
