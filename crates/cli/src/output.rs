//! Data to standard output, talk to standard error; meaning without colour.

use std::io::{IsTerminal as _, Write as _};

use clap::ValueEnum;
use domain::Problem;
use domain::text::{json_escaped, printable, printable_lines};
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

/// One line of data, or several. Of what could steer a terminal only colours and line ends are left, whoever wrote it.
pub fn line(text: &str) -> Result<(), Problem> {
    written(writeln!(anstream::stdout(), "{}", colours_alone(text.trim_end_matches('\n'))))
}

/// Data without a line's end, written at once, under the same rule.
pub fn piece(text: &str) -> Result<(), Problem> {
    raw(&colours_alone(text))
}

/// The same without any rule: for what moves the cursor on purpose.
pub fn raw(text: &str) -> Result<(), Problem> {
    let mut stdout = anstream::stdout();
    written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

fn json<T: Serialize>(value: &T) -> Result<(), Problem> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Problem::internal(e.to_string()))?;
    line(&json_escaped(&text))
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
            let body = serde_json::json!({ "error": problem }).to_string();
            writeln!(stderr, "{}", json_escaped(&body))
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

/// The text with every escape sequence escaped that does not set a colour.
#[must_use]
pub fn colours_alone(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut parts = text.split('\x1b');
    shown.push_str(&printable_lines(parts.next().unwrap_or_default(), usize::MAX));
    for part in parts {
        let end = part.find(|c: char| !matches!(c, '[' | '0'..='9' | ';'));
        let is_colour = part.starts_with('[') && end.is_some_and(|end| part[end..].starts_with('m'));
        shown.push_str(if is_colour { "\x1b" } else { r"\u{1b}" });
        shown.push_str(&printable_lines(part, usize::MAX));
    }
    shown
}

/// Longest cell of a table, in characters.
const CELL_MAX_CHARS: usize = 1_000;

/// A plain table: a header and rows, without borders. Cells show what comes from outside on one line.
#[must_use]
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell, CELL_MAX_CHARS)));
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
    fn only_colours_reach_the_terminal() {
        let coloured = "\x1b[1;31mred\x1b[0m\n\tplain";
        assert_eq!(colours_alone(coloured), coloured);
        for (hostile, shown) in [
            ("\x1b[2Jx", r"\u{1b}[2Jx"),
            ("\x1b]0;title\x07", r"\u{1b}]0;title\u{7}"),
            ("a\rb\u{9b}2J\u{202e}", r"a\rb\u{9b}2J\u{202e}"),
            ("\x1b", r"\u{1b}"),
            ("\x1b[31", r"\u{1b}[31"),
        ] {
            assert_eq!(colours_alone(hostile), shown);
        }
        assert_eq!(table(["A"], [["x\ny\x1b[31m".to_owned()]]), "A\nx\\ny\\u{1b}[31m");
    }

    #[test]
    fn tables_align_without_trailing_blanks() {
        let text = table(["NAME", "N"], [["a".to_owned(), "1".to_owned()], ["longer".to_owned(), "22".to_owned()]]);
        assert_eq!(text, "NAME    N\na       1\nlonger  22");
    }
}
