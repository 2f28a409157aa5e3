//! The only place that spawns tasks: each has a name, and its death is seen.
//!
//! Without an *essential* task the process would run on and look healthy while part of its work is not done any more. So
//! its death ends the process, with a message and a status other than zero, and whoever started the process starts it
//! again.

use std::future::Future;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{log, metric};

/// The status of a process that ended because an essential task died: an internal fault, as `sysexits.h` numbers it.
pub const EXIT_STATUS: i32 = 70;
/// Longest time that the end of the process may take.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Whether the death of an essential task ends the process.
static ENDS_PROCESS: AtomicBool = AtomicBool::new(false);

/// Runs `future` in the background under `name`. A panic in it is logged and counted, and ends that task alone.
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<Option<F::Output>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    // The one place that may call it: everything else names its tasks here.
    #[allow(clippy::disallowed_methods)]
    tokio::spawn(async move {
        let output = AssertUnwindSafe(future).catch_unwind().await;
        if output.is_err() {
            tracing::error!(task = name, "task panicked");
            metrics::counter!(metric::TASK_PANICS.name, "task" => name).increment(1);
        }
        output.ok()
    })
}

/// Runs an essential task: one that runs until `stop` is cancelled. When it ends before or panics, the process ends.
pub fn essential<F>(name: &'static str, stop: &CancellationToken, future: F) -> JoinHandle<Option<()>>
where
    F: Future<Output = ()> + Send + 'static,
{
    let stop = stop.clone();
    spawn(name, async move {
        let ended = AssertUnwindSafe(future).catch_unwind().await;
        if !stop.is_cancelled() {
            died(name, if ended.is_ok() { "ended" } else { "panicked" });
        }
    })
}

/// Runs an essential task that ends by itself when its work is done: only a panic in it ends the process.
pub fn essential_until_done<F>(name: &'static str, future: F) -> JoinHandle<Option<()>>
where
    F: Future<Output = ()> + Send + 'static,
{
    spawn(name, async move {
        if AssertUnwindSafe(future).catch_unwind().await.is_err() {
            died(name, "panicked");
        }
    })
}

/// Runs an essential thread. It returns when it is told to stop; when it panics, the process ends.
pub fn essential_thread(
    name: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        if catch_unwind(AssertUnwindSafe(body)).is_err() {
            died(name, "panicked");
        }
    })
}

/// From now on the death of an essential task ends the process. Programs call it; a test that lets a task die does not.
pub fn end_process_on_death() {
    ENDS_PROCESS.store(true, Ordering::SeqCst);
}

/// Says that an essential task is gone, and ends the process where that is wanted.
fn died(name: &'static str, how: &'static str) {
    tracing::error!(task = name, how, "essential task is gone");
    metrics::counter!(metric::TASK_PANICS.name, "task" => name).increment(1);
    if !ENDS_PROCESS.load(Ordering::SeqCst) {
        return;
    }
    // Neither a standard error that blocks nor an exit handler that hangs keeps the process.
    let _backstop = std::thread::Builder::new().name("end".to_owned()).spawn(|| {
        std::thread::park_timeout(END_WITHIN);
        std::process::abort()
    });
    log::flush();
    let told = format!(
        "error[MCP0012]: '{name}' {how}, and without it the program cannot do its work\n  next: start it again; the log \
         says what happened before\n"
    );
    // Nobody is left to tell when standard error is closed.
    let _ = std::io::stderr().write_all(told.as_bytes());
    std::process::exit(EXIT_STATUS)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn a_panic_ends_only_its_own_task() {
        let died = spawn("dies", async { panic!("on purpose") });
        let lived = spawn("lives", async { 7 });
        assert_eq!(died.await.expect("the wrapper caught it"), None);
        assert_eq!(lived.await.expect("it ran"), Some(7));
    }

    #[test]
    fn the_death_of_an_essential_task_ends_the_process() {
        for (way, ends) in [("ends", true), ("panics", true), ("thread", true), ("part", true), ("stops", false)] {
            let output = Command::new(std::env::current_exe().expect("this program"))
                .args(["--exact", "tasks::tests::child", "--ignored", "--nocapture", "--test-threads=1"])
                .env("TASKS_CHILD", way)
                .output()
                .expect("it runs");
            let told = String::from_utf8_lossy(&output.stderr);
            let status = output.status.code();
            if ends {
                assert_eq!(status, Some(EXIT_STATUS), "{way}: {told}");
                assert!(told.contains("error[MCP0012]: 'a part'"), "{way}: {told}");
            } else {
                assert_eq!(status, Some(0), "{way}: {told}");
            }
        }
    }

    #[tokio::test]
    #[ignore = "the process that ends: how, stands in its environment"]
    async fn child() {
        // A test's child is told by its environment.
        #[allow(clippy::disallowed_methods)]
        let Ok(way) = std::env::var("TASKS_CHILD") else { return };
        end_process_on_death();
        let stop = CancellationToken::new();
        let until_stopped = stop.clone().cancelled_owned();
        match way.as_str() {
            "ends" => drop(essential("a part", &stop, async {}).await),
            "panics" => drop(essential("a part", &stop, async { panic!("on purpose") }).await),
            "part" => drop(essential_until_done("a part", async { panic!("on purpose") }).await),
            "thread" => drop(essential_thread("a part", || panic!("on purpose")).map(std::thread::JoinHandle::join)),
            _ => {
                let task = essential("a part", &stop, until_stopped);
                stop.cancel();
                drop(task.await);
            }
        }
    }
}
