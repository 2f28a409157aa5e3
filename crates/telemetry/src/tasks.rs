//! The only place that spawns tasks: each has a name, and its death is seen.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;

use crate::metric;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_only_its_own_task() {
        let died = spawn("dies", async { panic!("on purpose") });
        let lived = spawn("lives", async { 7 });
        assert_eq!(died.await.expect("the wrapper caught it"), None);
        assert_eq!(lived.await.expect("it ran"), Some(7));
    }
}
