//! The language of scenarios: words on a line.
//!
//! ```text
//! run COMMAND FLAG …              a command of `mcp simulate`, once for each policy named below it
//! policy NAME …
//! run NAME: COMMAND FLAG …        or once, under a name of its own
//! print FIGURE …                  of every run so far
//! expect NAME.FIGURE (<|<=|>|>=|=) (NAME.FIGURE|NUMBER)
//! ```

use std::fmt;

use super::CLOCK_FIGURES;

/// Most runs of one scenario.
const RUNS_MAX: usize = 100;

/// A scenario, understood.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scenario {
    /// What is run, in order.
    pub runs: Vec<Run>,
    /// What is printed and expected, in order.
    pub statements: Vec<Statement>,
}

/// One command to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Line number.
    pub line: usize,
    /// By which its figures are called.
    pub name: String,
    /// The command and its flags.
    pub words: Vec<String>,
}

/// What is said about the results, with its line number.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// Figures of all runs up to the line.
    Print(usize, Vec<String>),
    /// Something that must hold.
    Expect(usize, Operand, Compare, Operand),
}

/// A figure or a number.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A number.
    Number(f64),
    /// A run's figure, by the run's name and the names of the fields.
    Of(String, String),
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Of(run, figure) => write!(f, "{run}.{figure}"),
        }
    }
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// Less.
    Less,
    /// Not more.
    AtMost,
    /// More.
    More,
    /// Not less.
    AtLeast,
    /// The same.
    Equal,
}

const COMPARES: [(&str, Compare); 5] = [
    ("<", Compare::Less),
    ("<=", Compare::AtMost),
    (">", Compare::More),
    (">=", Compare::AtLeast),
    ("=", Compare::Equal),
];

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
        f.write_str(COMPARES.iter().find(|(_, compare)| compare == self).map_or("", |(word, _)| word))
    }
}

/// Understands a scenario, or says what is wrong and on which line.
pub fn parse_scenario(text: &str) -> Result<Scenario, String> {
    let mut scenario = Scenario::default();
    // The command that waits for its policies.
    let mut open: Option<(usize, Vec<String>)> = None;
    for (line, text) in text.lines().enumerate().map(|(at, text)| (at + 1, text)) {
        let words: Vec<&str> = text.split('#').next().unwrap_or_default().split_whitespace().collect();
        let understood = match words.as_slice() {
            [] => Ok(()),
            ["policy", names @ ..] if !names.is_empty() => policies(&mut scenario, open.take(), names),
            _ if open.is_some() => Err("the run before has no policy: name one, or write `run NAME: …`".to_owned()),
            ["run", name, command, flags @ ..] if name.ends_with(':') => {
                let words = std::iter::once(command).chain(flags).map(|word| (*word).to_owned()).collect();
                add(&mut scenario, Run { line, name: name.trim_end_matches(':').to_owned(), words })
            }
            ["run", words @ ..] if !words.is_empty() => {
                open = Some((line, words.iter().map(|word| (*word).to_owned()).collect()));
                Ok(())
            }
            ["print", figures @ ..] if !figures.is_empty() => print(&mut scenario, line, figures),
            ["expect", left, compare, right] => {
                expect(&scenario, line, left, compare, right).map(|statement| scenario.statements.push(statement))
            }
            _ => Err(format!("{text:?} is not understood")),
        };
        understood.map_err(|cause| format!("line {line}: {cause}"))?;
    }
    match open {
        Some((line, _)) => Err(format!("line {line}: this run has no policy: name one, or write `run NAME: …`")),
        None if scenario.runs.is_empty() => Err("nothing is run".to_owned()),
        None => Ok(scenario),
    }
}

fn policies(scenario: &mut Scenario, open: Option<(usize, Vec<String>)>, names: &[&str]) -> Result<(), String> {
    let (line, words) = open.ok_or("there is no run for this policy")?;
    for name in names {
        let policy = ["--policy".to_owned(), (*name).to_owned()];
        let words = words.iter().cloned().chain(policy).collect();
        add(scenario, Run { line, name: (*name).to_owned(), words })?;
    }
    Ok(())
}

fn add(scenario: &mut Scenario, run: Run) -> Result<(), String> {
    if run.name.is_empty() || run.name.contains('.') {
        return Err(format!("{:?} is no name for a run", run.name));
    }
    if scenario.runs.iter().any(|other| other.name == run.name) {
        return Err(format!("a second run {:?}", run.name));
    }
    if matches!(run.words.first().map(String::as_str), Some("scenario" | "bench")) {
        return Err(format!("{} cannot be run from a scenario", run.words[0]));
    }
    if scenario.runs.len() >= RUNS_MAX {
        return Err(format!("more than {RUNS_MAX} runs"));
    }
    scenario.runs.push(run);
    Ok(())
}

fn print(scenario: &mut Scenario, line: usize, figures: &[&str]) -> Result<(), String> {
    if let Some(figure) = figures.iter().find(|figure| CLOCK_FIGURES.contains(figure)) {
        return Err(format!("{figure} is another each time: expect something of it instead"));
    }
    scenario.statements.push(Statement::Print(line, figures.iter().map(|figure| (*figure).to_owned()).collect()));
    Ok(())
}

fn expect(scenario: &Scenario, line: usize, left: &str, compare: &str, right: &str) -> Result<Statement, String> {
    let known = COMPARES.iter().find(|(word, _)| *word == compare);
    let (_, compare) = known.ok_or_else(|| format!("{compare:?} is not one of <, <=, >, >=, ="))?;
    Ok(Statement::Expect(line, operand(scenario, left)?, *compare, operand(scenario, right)?))
}

fn operand(scenario: &Scenario, text: &str) -> Result<Operand, String> {
    if let Ok(number) = text.parse::<f64>() {
        return if number.is_finite() { Ok(Operand::Number(number)) } else { Err(format!("{text:?} is no number")) };
    }
    let (run, figure) = text.split_once('.').ok_or_else(|| format!("{text:?} is neither a number nor a figure"))?;
    if scenario.runs.iter().any(|known| known.name == run) {
        Ok(Operand::Of(run.to_owned(), figure.to_owned()))
    } else {
        Err(format!("nothing above is run as {run:?}"))
    }
}
