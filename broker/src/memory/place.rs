//! Waiting for room: a publisher's place in the line.

use std::{
    sync::atomic::Ordering,
    task::{Context, Poll},
};

use tokio::time::Instant;

use super::{intake::Turn, station::Station};
use crate::{Message, PublishError, message::Batch};

/// A publisher's place in the line for room; given up when dropped.
pub(super) struct Place<'a> {
    station: &'a Station,
    headroom: bool,
    turn: Option<Turn>,
}

impl<'a> Place<'a> {
    pub(super) const fn new(station: &'a Station, headroom: bool) -> Self {
        Self { station, headroom, turn: None }
    }

    /// Tries to publish, or waits on.
    pub(super) fn poll(
        &mut self,
        context: &Context<'_>,
        batch: &mut Batch,
    ) -> Poll<Result<(), PublishError>> {
        let station = self.station;
        // While the outlet is locked no room is made, so none is missed between the attempt and the wait.
        let mut outlet = station.outlet();
        let intake = station.settled_intake(&mut outlet);
        let pushed = station.push(intake, batch, self.headroom, self.turn, Instant::now());
        match pushed {
            Ok(false) => self.wait(context, batch),
            Ok(true) | Err(_) => self.leave(),
        }
        station.leave_outlet(outlet, true);
        match pushed {
            Ok(false) => Poll::Pending,
            Ok(true) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn wait(&mut self, context: &Context<'_>, batch: &Batch) {
        let size = batch.peek().map_or(0, Message::size);
        let mut intake = self.station.intake();
        self.turn = Some(intake.wait(self.headroom, self.turn, size, context.waker().clone()));
        self.station.crowded.store(true, Ordering::SeqCst);
        drop(intake);
        if !self.station.gate.may_publish() {
            // Closed just now, perhaps before this place could be seen.
            context.waker().wake_by_ref();
        }
    }

    fn leave(&mut self) {
        if let Some(turn) = self.turn.take() {
            let mut intake = self.station.intake();
            intake.leave(turn);
            self.station.crowded.store(intake.has_waiting(), Ordering::SeqCst);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.turn.is_some() {
            let outlet = self.station.outlet();
            self.leave();
            self.station.leave_outlet(outlet, true);
        }
    }
}
