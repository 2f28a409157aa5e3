//! Leaving a server behind: the same program again, in its own session, with its log in the data folder.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use domain::{Kind, Problem};

use crate::command::Context;
use crate::{log_file, running};

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
    let log = log_file::open(&context.data_dir)?;
    let program = std::env::current_exe().map_err(|e| Problem::internal(format!("own program: {e}")))?;
    let mut command = Command::new(program);
    command.arg("serve").arg("--data-dir").arg(context.data_dir.root()).args(config_arguments(context));
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
    if let Some(problem) = log.lines().rev().find_map(|line| line.split_once("error[")) {
        return Problem::new(Kind::Unavailable, format!("mcp serve ended: error[{}", problem.1))
            .next(format!("see {}", path.display()));
    }
    Problem::new(Kind::Unavailable, format!("mcp serve ended with {status}")).next(format!("see {}", path.display()))
}
