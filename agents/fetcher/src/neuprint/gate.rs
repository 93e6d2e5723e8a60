//! What keeps queries from being a burden: how many at once, how many a second, and a door that closes when the server asks
//! for less or fails again and again.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep_until},
};

/// Failures in a row after which the door closes.
const FAILURES: u32 = 5;
/// How long it stays closed the first time; doubled each time that the query let through then fails too.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// Longest that it stays closed, whoever asks for it.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A door that opens again so soon is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// When to come back while another query tries the server.
const WHILE_TRYING: Duration = Duration::from_secs(1);

/// The gate before one server, for all parcels of a process.
#[derive(Debug)]
pub(crate) struct Gate {
    permits: Semaphore,
    /// Between the beginnings of two queries.
    spacing: Duration,
    door: Mutex<Door>,
}

#[derive(Debug)]
struct Door {
    /// When the next query may begin.
    next: Instant,
    closed_until: Option<Instant>,
    /// In a row.
    failures: u32,
    /// How long the door closes if the next query fails.
    pause: Duration,
    /// Whether one query has been let through to see how the server is.
    trying: bool,
}

/// The door is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed {
    /// For so long.
    pub(crate) left: Duration,
}

enum Turn {
    At(Instant, bool),
    WaitUntil(Instant),
}

impl Gate {
    pub(crate) fn new(concurrency: usize, per_second: u32) -> Self {
        let door =
            Door { next: Instant::now(), closed_until: None, failures: 0, pause: FIRST_PAUSE, trying: false };
        let spacing = Duration::from_secs(1) / per_second.max(1);
        Self { permits: Semaphore::new(concurrency.max(1)), spacing, door: Mutex::new(door) }
    }

    /// Waits for a turn. Whoever gets one says how the query ended.
    pub(crate) async fn enter(&self) -> Result<Pass<'_>, Closed> {
        // It is never closed.
        let Ok(permit) = self.permits.acquire().await else { return Err(Closed { left: WHILE_TRYING }) };
        loop {
            match self.turn()? {
                Turn::WaitUntil(open) => sleep_until(open).await,
                Turn::At(begin, trying) => {
                    let pass = Pass { gate: self, _permit: permit, trying };
                    sleep_until(begin).await;
                    // Others may have failed meanwhile.
                    return match self.left() {
                        Some(left) if !trying => Err(Closed { left }),
                        _ => Ok(pass),
                    };
                }
            }
        }
    }

    fn turn(&self) -> Result<Turn, Closed> {
        let now = Instant::now();
        let mut door = self.door();
        if let Some(open) = door.closed_until.filter(|open| *open > now) {
            let left = open - now;
            return if left <= PATIENCE { Ok(Turn::WaitUntil(open)) } else { Err(Closed { left }) };
        }
        let trying = door.failures >= FAILURES;
        if trying && door.trying {
            return Err(Closed { left: WHILE_TRYING });
        }
        door.trying = trying;
        let begin = door.next.max(now);
        door.next = begin + self.spacing;
        Ok(Turn::At(begin, trying))
    }

    fn left(&self) -> Option<Duration> {
        let (now, door) = (Instant::now(), self.door());
        door.closed_until.filter(|open| *open > now).map(|open| open - now)
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn at asking.
#[derive(Debug)]
pub(crate) struct Pass<'g> {
    gate: &'g Gate,
    _permit: SemaphorePermit<'g>,
    trying: bool,
}

impl Pass<'_> {
    /// The server has answered, whatever it said.
    pub(crate) fn answered(self) {
        let mut door = self.gate.door();
        (door.failures, door.pause) = (0, FIRST_PAUSE);
    }

    /// There was no answer, or none that makes sense.
    pub(crate) fn failed(self) {
        let mut door = self.gate.door();
        door.failures = door.failures.saturating_add(1);
        if door.failures >= FAILURES {
            let until = Instant::now() + door.pause;
            door.pause = (door.pause * 2).min(LONGEST_PAUSE);
            door.close(until);
        }
    }

    /// The server asks for less; `after` is when it wants to be asked again. Returns when that is, at most five minutes.
    pub(crate) fn refused(self, after: Option<Duration>) -> Option<Duration> {
        let after = after.map(|after| after.min(LONGEST_PAUSE));
        if let Some(after) = after {
            self.gate.door().close(Instant::now() + after);
        } else {
            self.failed();
        }
        after
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.trying {
            self.gate.door().trying = false;
        }
    }
}

impl Door {
    fn close(&mut self, until: Instant) {
        self.closed_until = self.closed_until.max(Some(until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn queries_begin_apart() {
        let (gate, began) = (Gate::new(4, 20), Instant::now());
        for _ in 0..21 {
            gate.enter().await.unwrap().answered();
        }
        assert_eq!(began.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_allowed_are_under_way() {
        let gate = Gate::new(2, 1000);
        let (first, _second) = (gate.enter().await.unwrap(), gate.enter().await.unwrap());
        let third = tokio::time::timeout(Duration::from_secs(60), gate.enter()).await;
        assert!(third.is_err());
        first.answered();
        assert!(gate.enter().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn it_closes_after_five_failures_lets_one_through_and_closes_for_longer() {
        let gate = Gate::new(4, 1000);
        for _ in 0..5 {
            gate.enter().await.unwrap().failed();
        }
        assert_eq!(gate.enter().await.unwrap_err().left.as_secs(), 10);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let trying = gate.enter().await.unwrap();
        assert_eq!(gate.enter().await.unwrap_err(), Closed { left: WHILE_TRYING });
        trying.failed();
        assert_eq!(gate.enter().await.unwrap_err().left.as_secs(), 20);
        tokio::time::sleep(Duration::from_secs(20)).await;
        // One that was given up says nothing, and the next one tries.
        drop(gate.enter().await.unwrap());
        gate.enter().await.unwrap().answered();
        let (_one, _two) = (gate.enter().await.unwrap(), gate.enter().await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_server_asks_for_counts_up_to_five_minutes() {
        let gate = Gate::new(4, 1000);
        let asked = gate.enter().await.unwrap().refused(Some(Duration::from_secs(7200)));
        assert_eq!(asked, Some(LONGEST_PAUSE));
        assert_eq!(gate.enter().await.unwrap_err().left, LONGEST_PAUSE);
        tokio::time::sleep(LONGEST_PAUSE).await;
        assert_eq!(gate.enter().await.unwrap().refused(Some(PATIENCE)), Some(PATIENCE));
        let began = Instant::now();
        gate.enter().await.unwrap().answered();
        assert_eq!(began.elapsed(), PATIENCE, "a short while is waited for");
    }
}
