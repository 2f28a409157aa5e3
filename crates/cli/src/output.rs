//! Data to standard output, talk to standard error; meaning without colour.

use std::io::{IsTerminal as _, Write as _};

use clap::ValueEnum;
use domain::Problem;
use owo_colors::OwoColorize as _;
use serde::Serialize;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON document, for programs.
    Json,
}

/// Writes results.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// How.
    pub format: Format,
}

impl Output {
    /// Writes `value` as JSON, or what `table` makes of it.
    pub fn show<T: Serialize>(self, value: &T, table: impl FnOnce(&T) -> String) -> Result<(), Problem> {
        match self.format {
            Format::Table => line(&table(value)),
            Format::Json => json(value),
        }
    }

    /// Says something to the person at the terminal; silent in JSON.
    pub fn say(self, text: &str) {
        if self.format == Format::Table {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(anstream::stderr(), "{text}");
        }
    }
}

/// One line of data.
pub fn line(text: &str) -> Result<(), Problem> {
    written(writeln!(anstream::stdout(), "{}", text.trim_end_matches('\n')))
}

/// Data without a line's end, written at once.
pub fn piece(text: &str) -> Result<(), Problem> {
    let mut stdout = anstream::stdout();
    written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

fn json<T: Serialize>(value: &T) -> Result<(), Problem> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Problem::internal(e.to_string()))?;
    line(&text)
}

fn written(result: std::io::Result<()>) -> Result<(), Problem> {
    match result {
        // The reader has seen enough, as `head` does.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|e| Problem::internal(format!("standard output: {e}"))),
    }
}

/// Tells of a failure: to people as cause and next step, to programs as `{"error": …}`, both on standard error.
pub fn fail(format: Format, problem: &Problem) {
    let mut stderr = anstream::stderr();
    let written = match format {
        Format::Json => {
            let body = serde_json::json!({ "error": problem });
            writeln!(stderr, "{body}")
        }
        Format::Table => {
            let field = problem.field.as_ref().map_or_else(String::new, |field| format!(" ({field})"));
            let head = format!("error[{}]", problem.code);
            let hint =
                problem.next_step.as_ref().map_or_else(String::new, |step| format!("\n  {} {step}", "next:".bold()));
            writeln!(stderr, "{}: {}{field}{hint}", head.red().bold(), problem.cause)
        }
    };
    // Nobody is left to tell when standard error is closed.
    let _ = written;
}

/// Whether arguments that do not fit ask for JSON, as far as can be told.
#[must_use]
pub fn is_json_wanted(arguments: impl IntoIterator<Item = String>, variable: Option<&str>) -> bool {
    let arguments: Vec<String> = arguments.into_iter().collect();
    let given = arguments.iter().enumerate().rev().find_map(|(index, argument)| match argument.as_str() {
        "--output" | "-o" => arguments.get(index + 1).map(String::as_str),
        other => other.strip_prefix("--output=").or_else(|| other.strip_prefix("-o")),
    });
    given.or(variable) == Some("json")
}

/// A plain table: a header and rows, without borders.
#[must_use]
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for row in rows {
        table.add_row(row);
    }
    table.to_string().lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Whether a person watches standard error.
#[must_use]
pub fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Asks a yes-or-no question; `yes` answers it beforehand. Without a terminal the answer must have been given.
pub fn confirm(question: &str, yes: bool) -> Result<bool, Problem> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() || !is_watched() {
        return Err(Problem::invalid("this needs a confirmation, and there is no terminal to ask at").next("add --yes"));
    }
    let mut stderr = anstream::stderr();
    let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|e| Problem::internal(format!("standard input: {e}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_wanted_even_when_the_rest_does_not_fit() {
        let wanted = |line: &str, variable| is_json_wanted(line.split(' ').map(str::to_owned), variable);
        for line in ["mcp status --bogus --output json", "mcp -o json nope", "mcp nope --output=json", "mcp -ojson x"] {
            assert!(wanted(line, None), "{line}");
        }
        assert!(wanted("mcp nope", Some("json")));
        assert!(!wanted("mcp nope --output table", Some("json")));
        assert!(!wanted("mcp nope --output", None));
    }

    #[test]
    fn tables_align_without_trailing_blanks() {
        let text = table(["NAME", "N"], [["a".to_owned(), "1".to_owned()], ["longer".to_owned(), "22".to_owned()]]);
        assert_eq!(text, "NAME    N\na       1\nlonger  22");
    }
}
