//! Leaving a server behind: the same program again, in its own session, with its log in the data folder.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use domain::{Kind, Problem};

use crate::command::Context;
use crate::{log_file, running};

/// Lines at the end of a log in which a program says why it ended.
const LAST_LINES: usize = 8;

/// Starts `mcp serve` and returns when it serves.
pub async fn spawn(context: &Context, wait: Duration) -> Result<(), Problem> {
    let mut child = start(context)?;
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        if running::find(&context.data_dir)?.is_some_and(|running| running.serving) {
            return Ok(());
        }
        if let Some(status) = child.try_wait().map_err(|e| Problem::internal(e.to_string()))? {
            return Err(died(context, &status.to_string()));
        }
        if tokio::time::Instant::now() >= deadline {
            // It may still come up; it is stopped so that nothing is left behind unasked.
            let _ = child.kill();
            let _ = child.wait();
            return Err(Problem::new(Kind::Timeout, "it did not serve in time")
                .next(format!("see {}", context.data_dir.log().display())));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn start(context: &Context) -> Result<Child, Problem> {
    let log = log_file::open(&context.data_dir)?.file().map_err(|e| Problem::internal(format!("own log: {e}")))?;
    let program = std::env::current_exe().map_err(|e| Problem::internal(format!("own program: {e}")))?;
    let mut command = Command::new(program);
    command.args(["serve", "--log-to-file", "--data-dir"]).arg(context.data_dir.root()).args(config_arguments(context));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
    command.spawn().map_err(|e| Problem::internal(format!("mcp serve cannot start: {e}")))
}

fn config_arguments(context: &Context) -> Vec<std::ffi::OsString> {
    context.config_file.iter().flat_map(|path| ["--config".into(), path.clone().into_os_string()]).collect()
}

/// The last lines of the log say why.
fn died(context: &Context, status: &str) -> Problem {
    let path = context.data_dir.log();
    let log = std::fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    if let Some(problem) = told(&log) {
        return problem;
    }
    Problem::new(Kind::Unavailable, format!("mcp serve ended with {status}")).next(format!("see {}", path.display()))
}

/// The problem that a program told as its last words, as [`crate::output::fail`] writes it for people or for programs.
fn told(log: &str) -> Option<Problem> {
    let lines: Vec<&str> = log.lines().collect();
    let lines = &lines[lines.len().saturating_sub(LAST_LINES)..];
    let at = lines.iter().rposition(|line| line.starts_with("error[") || line.starts_with("{\"error\":"))?;
    if let Ok(mut body) = serde_json::from_str::<serde_json::Value>(lines[at]) {
        return serde_json::from_value(body["error"].take()).ok();
    }
    let (code, cause) = lines[at].strip_prefix("error[")?.split_once("]: ")?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.code() == code)?;
    let problem = Problem::new(kind, cause);
    Some(match lines.get(at + 1).and_then(|line| line.strip_prefix("  next: ")) {
        Some(step) => problem.next(step),
        None => problem,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_passed_on() {
        let log = "error[MCP0010]: of another run\n2026 INFO started\nerror[MCP0005]: the port is taken (listen.gateway)\n  next: free it\n";
        let problem = told(log).expect("it said why");
        assert_eq!((problem.kind, problem.cause.as_str()), (Kind::Conflict, "the port is taken (listen.gateway)"));
        assert_eq!(problem.next_step.as_deref(), Some("free it"));
        let body = serde_json::json!({ "error": Problem::invalid("no").at("x") }).to_string();
        assert_eq!(told(&body), Some(Problem::invalid("no").at("x")));
        assert_eq!(told("nothing was said"), None);
    }
}
