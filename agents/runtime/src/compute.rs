//! Threads for CPU-heavy and blocking work.
//!
//! Shared work runs first in, first out on niced threads, so that it never keeps the async threads, or
//! the critical thread, from a core. Critical work has one thread that is not niced; a shared thread
//! that becomes free helps when critical work is still waiting.

use std::{
    any::Any,
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use quire_proto::Lane;
use tokio::sync::{Semaphore, oneshot};
use tracing::Span;

/// Niceness of the shared threads: they yield to everything else on the machine.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;
/// Jobs that may wait for each kind of thread; further callers wait outside, holding only their future.
const QUEUE: usize = 256;

/// Stack of a thread, where there is room for it; only what is used is ever taken of the memory. Values that an
/// expression nests once for each of a record's members are taken apart by recursion.
const STACK_BYTES: usize = 256 << 20;
/// Stack of a thread, however little room there is.
const MIN_STACK_BYTES: usize = 4 << 20;

type Job = Box<dyn FnOnce() + Send>;

/// Why work was not computed.
#[derive(Debug, thiserror::Error)]
pub enum ComputeError {
    /// The work panicked; the text is the panic's.
    #[error("the work panicked: {0}")]
    Panicked(String),
    /// The pool was dropped before the work was done.
    #[error("the compute pool is shut down")]
    Closed,
}

/// A bounded pool of niced threads and one critical thread. Cheap to clone; the threads end with the last handle.
#[derive(Debug, Clone)]
pub struct ComputePool {
    owner: Arc<Owner>,
}

impl ComputePool {
    /// A pool of `workers` (at least one) shared threads and the critical thread.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let shared = Arc::new(Shared {
            queues: Mutex::default(),
            shared_work: Condvar::new(),
            critical_work: Condvar::new(),
            shared_room: Arc::new(Semaphore::new(QUEUE)),
            critical_room: Arc::new(Semaphore::new(QUEUE)),
        });
        let workers = workers.max(1);
        let stack = stack_bytes(workers + 1);
        for number in 0..workers {
            let shared = Arc::clone(&shared);
            start(format!("compute-{number}"), stack, move || {
                make_nice();
                shared.work(false);
            });
        }
        // Idle from the first: the thread may not be up yet when the first job comes, but the job shall be its.
        shared.lock().critical_idle = true;
        let critical = Arc::clone(&shared);
        if !start("compute-critical".to_owned(), stack, move || critical.work(true)) {
            shared.lock().critical_idle = false;
        }
        Self { owner: Arc::new(Owner(shared)) }
    }

    /// Runs `work`, in the span that we are in, and says how long it waited for a thread.
    ///
    /// # Errors
    /// [`ComputeError`] if `work` panicked or the pool was shut down.
    pub async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(T, Duration), ComputeError> {
        let shared = &self.owner.0;
        let critical = lane == Lane::Critical;
        let room = if critical { &shared.critical_room } else { &shared.shared_room };
        let asked = Instant::now();
        let permit = Arc::clone(room).acquire_owned().await.map_err(|_| ComputeError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let span = Span::current();
        let job = Box::new(move || {
            drop(permit);
            if answer.is_closed() {
                return; // the caller has gone: its agent was stopped
            }
            let queued = asked.elapsed();
            let result = span.in_scope(|| catch_unwind(AssertUnwindSafe(work)));
            let result = result.map_err(|panic| panic_text(&*panic));
            // Before anyone hears of the result: who then ends the span, ends it.
            drop(span);
            // The caller may have gone; the result is then nobody's.
            let _ = answer.send((result, queued));
        });
        shared.push(critical, job);
        match answered.await {
            Ok((Ok(value), queued)) => Ok((value, queued)),
            Ok((Err(message), _)) => Err(ComputeError::Panicked(message)),
            Err(_) => Err(ComputeError::Closed),
        }
    }
}

/// Closes the queues when the last handle is dropped.
#[derive(Debug)]
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.shared_work.notify_all();
        self.0.critical_work.notify_all();
    }
}

#[derive(Debug)]
struct Shared {
    queues: Mutex<Queues>,
    shared_work: Condvar,
    critical_work: Condvar,
    shared_room: Arc<Semaphore>,
    critical_room: Arc<Semaphore>,
}

#[derive(Default)]
struct Queues {
    critical: VecDeque<Job>,
    shared: VecDeque<Job>,
    /// The critical thread will take the next critical job at once.
    critical_idle: bool,
    closed: bool,
}

impl std::fmt::Debug for Queues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queues")
            .field("critical", &self.critical.len())
            .field("shared", &self.shared.len())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        // Jobs run outside the lock and catch their panics, so the queues are whole even if poisoned.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, critical: bool, job: Job) {
        let mut queues = self.lock();
        if queues.closed {
            return; // dropping the job drops its answer, which the caller sees
        }
        if !critical {
            queues.shared.push_back(job);
            drop(queues);
            self.shared_work.notify_one();
            return;
        }
        queues.critical.push_back(job);
        // The critical thread takes one; what comes before it is awake is for a shared thread.
        let own_thread = queues.critical_idle && queues.critical.len() == 1;
        drop(queues);
        if own_thread {
            self.critical_work.notify_one();
        } else {
            self.shared_work.notify_one();
        }
    }

    fn work(&self, critical: bool) {
        let mut queues = self.lock();
        loop {
            let job = if critical { queues.critical.pop_front() } else { queues.next_shared() };
            if critical {
                queues.critical_idle = job.is_none();
            }
            if let Some(job) = job {
                drop(queues);
                job();
                queues = self.lock();
            } else if queues.closed {
                return;
            } else if critical {
                queues = self.critical_work.wait(queues).unwrap_or_else(PoisonError::into_inner);
            } else {
                queues = self.shared_work.wait(queues).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl Queues {
    /// Critical work that its own thread is about to take is left to it, as it runs there un-niced.
    fn next_shared(&mut self) -> Option<Job> {
        let spare = usize::from(self.critical_idle);
        if self.critical.len() > spare { self.critical.pop_front() } else { self.shared.pop_front() }
    }
}

/// Starts a thread; whether that went well. A pool that lacks some threads still works as long as a shared one lives.
fn start(name: String, stack: usize, body: impl FnOnce() + Send + 'static) -> bool {
    let started = thread::Builder::new().name(name).stack_size(stack).spawn(body);
    if let Err(error) = &started {
        tracing::error!(error = %error, "compute thread not started");
    }
    started.is_ok()
}

/// The stack of each of so many threads. All of it counts where the address space is limited: together they take a
/// quarter.
fn stack_bytes(threads: usize) -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::As).current;
    let limit = limit.and_then(|bytes| usize::try_from(bytes).ok());
    limit.map_or(STACK_BYTES, |bytes| (bytes / 4 / threads).clamp(MIN_STACK_BYTES, STACK_BYTES))
}

/// On Linux niceness belongs to a thread; elsewhere it would hit the whole process, so nothing is done.
fn make_nice() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        let niced = getpriority_process(None).and_then(|now| setpriority_process(None, now.max(NICE)));
        if let Err(error) = niced {
            tracing::warn!(error = %error, "compute thread not niced");
        }
    }
}

/// The text of a panic, where it has one.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "no message".to_owned()
    }
}
