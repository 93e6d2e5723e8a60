//! From calls that block to requests that do not.

use std::{
    future::Future,
    io,
    sync::{Arc, mpsc},
};

use tokio::{
    runtime::{Builder, Handle, Runtime, RuntimeFlavor},
    sync::Semaphore,
};

/// Requests of one bucket at a time; further callers wait.
const AT_ONCE: usize = 32;

/// A thread that does the requests of a bucket. It waits for nobody that calls, so a caller may block on it wherever it
/// is, on a thread of another async runtime as well.
#[derive(Debug)]
pub(super) struct Bridge {
    /// Taken when it ends.
    runtime: Option<Runtime>,
    room: Arc<Semaphore>,
}

impl Bridge {
    pub(super) fn start() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("bucket").enable_all().build()?;
        Ok(Self { runtime: Some(runtime), room: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// Does the work there and waits for it. Requests have deadlines, so this ends.
    pub(super) fn call<T: Send + 'static>(
        &self,
        work: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> io::Result<T> {
        let answered = self.begin(work)?;
        wait(move || answered.recv().unwrap_or_else(|_| Err(ended())))
    }

    /// Does all of the works there, at the same time as far as there is room, and waits for all of them; the results are in
    /// the works' order.
    pub(super) fn call_all<T: Send + 'static>(
        &self,
        works: Vec<impl Future<Output = io::Result<T>> + Send + 'static>,
    ) -> Vec<io::Result<T>> {
        let begun: Vec<_> = works.into_iter().map(|work| self.begin(work)).collect();
        let answer =
            |answered: io::Result<mpsc::Receiver<_>>| answered?.recv().unwrap_or_else(|_| Err(ended()));
        wait(move || begun.into_iter().map(answer).collect())
    }

    fn begin<T: Send + 'static>(
        &self,
        work: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> io::Result<mpsc::Receiver<io::Result<T>>> {
        let runtime = self.runtime.as_ref().ok_or_else(ended)?;
        let room = Arc::clone(&self.room);
        let (answer, answered) = mpsc::sync_channel(1);
        runtime.spawn(async move {
            let result = match room.acquire().await {
                Ok(_permit) => work.await,
                Err(_) => Err(ended()),
            };
            // Whoever asked waits for exactly this.
            let _ = answer.send(result);
        });
        Ok(answered)
    }
}

fn wait<T>(blocking: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        // Another thread takes over what this one has to do meanwhile.
        Ok(here) if here.runtime_flavor() == RuntimeFlavor::MultiThread => {
            tokio::task::block_in_place(blocking)
        }
        _ => blocking(),
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // Not waited for: the last handle may go where nothing may block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn ended() -> io::Error {
    io::Error::other("the bucket's own thread has ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(bridge: &Bridge, number: u32) -> u32 {
        bridge
            .call(async move {
                tokio::task::yield_now().await;
                Ok(number * 2)
            })
            .unwrap()
    }

    #[test]
    fn it_is_called_from_wherever_and_ends_wherever() {
        let bridge = Arc::new(Bridge::start().unwrap());
        assert_eq!(double(&bridge, 1), 2);
        let one = Builder::new_current_thread().build().unwrap();
        assert_eq!(one.block_on(async { double(&bridge, 2) }), 4);
        let many = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        // More callers than the runtime has threads, on its own threads and beside them.
        let sum = many.block_on(async {
            let tasks: Vec<_> = (0..100)
                .map(|number| {
                    let bridge = Arc::clone(&bridge);
                    if number % 2 == 0 {
                        tokio::spawn(async move { double(&bridge, number) })
                    } else {
                        tokio::task::spawn_blocking(move || double(&bridge, number))
                    }
                })
                .collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await.unwrap();
            }
            drop(bridge);
            sum
        });
        assert_eq!(sum, 9900);
    }
}
