//! Small helpers around blocking tasks.

use quire_runtime::telemetry::trace;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::RunError;

/// The result of a blocking task.
pub(crate) async fn blocking<T>(task: JoinHandle<Result<T, RunError>>) -> Result<T, RunError> {
    task.await.unwrap_or_else(|error| Err(RunError::Task(error.to_string())))
}

/// Runs `work` on a thread that may block, in the span that we are in.
pub(crate) async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RunError> + Send + 'static,
) -> Result<T, RunError> {
    blocking(trace::spawn_blocking(work)).await
}

/// Sends from a blocking thread. Whoever waits on the other side has its own error when it goes away.
pub(crate) fn send<T>(sender: &mpsc::Sender<T>, value: T) -> Result<(), RunError> {
    sender.blocking_send(value).map_err(|_| RunError::Interrupted)
}
