//! Asks the server for messages as they are wanted, and brings them to the lane.
//!
//! A lane that is paused ends its session in order: the server stops sending, and what was on its way is given back.
//! Every doubt (no heartbeat, an error, a lost connection) ends the session: its inbox goes, and with it what was
//! asked for. A new one begins with what is wanted then. What was on its way is handed out again after the ack wait.

use std::{sync::Arc, time::Duration};

use async_nats::{
    Message as Wire, StatusCode, Subscriber,
    jetstream::{self, Context},
};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use serde_json::json;
use tokio::{
    sync::broadcast,
    time::{Instant, sleep, timeout},
};

use super::{
    Layout, apply,
    attempts::Attempts,
    connection::{Tie, concerns, silences},
    fault::Fault,
    lane::{Held, Lane},
    link::Link,
    names, wire,
};
use crate::backend::Boxed;

/// How long the server keeps a request for messages.
const EXPIRES: Duration = Duration::from_secs(5);
/// How often the server says that it still has it.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Silence after which it is taken for lost.
const SILENCE: Duration = Duration::from_millis(2_500);
/// Pauses between sessions that fail: first and longest.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How often it is looked whether more is wanted, and whether the server is silent.
const TICK: Duration = Duration::from_millis(250);
/// How long a lane is left alone whose words the server does not take: what it handed out would come again and again.
const SILENCED: Duration = Duration::from_secs(60);
/// Failures in a row that are no accident.
const MANY: u32 = 5;
/// Most messages asked for at once.
const MAX_BATCH: usize = 256;

/// Feeds one lane.
pub(super) struct Feeder {
    pub(super) lane: Arc<Lane>,
    pub(super) link: Link,
    pub(super) attempts: Attempts,
    /// What to create where it is missing; nothing outside development.
    pub(super) creates: Option<Layout>,
}

/// What was asked for and not yet answered.
struct Session {
    tie: Tie,
    context: Context,
    inbox: String,
    answers: Subscriber,
    denials: broadcast::Receiver<String>,
    asked: usize,
    heard: Instant,
    /// Messages that came again, and are looked up.
    again: FuturesUnordered<Boxed<'static, Held>>,
}

/// What an answer without a message means.
#[derive(Debug, PartialEq, Eq)]
enum Status {
    /// The server is there.
    Heartbeat,
    /// A request ended with so many messages still owed.
    Ended(usize),
    /// The session cannot go on.
    Broken,
}

impl Feeder {
    /// Feeds the lane until the task is aborted.
    pub(super) async fn run(self) {
        let mut failures = 0_u32;
        loop {
            self.link.wait_up().await;
            let began = Instant::now();
            let fault = self.session().await;
            self.lane.set_fed(false);
            let Some(fault) = fault else { continue };
            failures = if began.elapsed() > SILENCE { 0 } else { failures.saturating_add(1) };
            self.tell(&fault, failures);
            if let Some(fault) = self.diagnose(fault).await {
                self.lane.set_fault(Some(fault.clone()));
                self.outlast(&fault).await;
                self.lane.set_fault(None);
            } else if self.link.is_up() {
                sleep((PAUSE * 2_u32.saturating_pow(failures.min(8))).min(LONGEST_PAUSE)).await;
            }
        }
    }

    /// One failure is nothing; many in a row are told.
    fn tell(&self, fault: &Fault, failures: u32) {
        let queue = self.lane.queue;
        if failures == MANY && self.link.is_up() {
            tracing::warn!(%queue, error = %fault, "asking for messages fails again and again");
        } else {
            tracing::debug!(%queue, error = %fault, "asking for messages anew");
        }
        self.lane.set_disturbed(failures >= MANY);
    }

    /// Waits until it is worth while to ask again.
    async fn outlast(&self, fault: &Fault) {
        if let Fault::Denied { what } = fault
            && silences(what, self.lane.queue)
            && let Ok(tie) = self.link.tie()
        {
            // Another connection may have other permissions.
            let _ = timeout(SILENCED, self.link.untied(&tie)).await;
            return;
        }
        if !matches!(fault, Fault::Missing { .. }) {
            sleep(LONGEST_PAUSE).await;
            return;
        }
        loop {
            self.link.wait_up().await;
            if let Some(layout) = &self.creates
                && let Err(error) = apply::apply(&self.link, layout).await
            {
                tracing::warn!(%error, "what is missing at the broker cannot be created yet");
            }
            if apply::diagnose(&self.link, self.lane.queue).await.is_ok() {
                return;
            }
            sleep(PAUSE * 4).await;
        }
    }

    /// What callers shall know of a fault: not one that passes by itself.
    async fn diagnose(&self, fault: Fault) -> Option<Fault> {
        if matches!(fault, Fault::Denied { .. } | Fault::Missing { .. }) {
            return Some(fault);
        }
        match apply::diagnose(&self.link, self.lane.queue).await {
            Err(Fault::Missing { what }) => {
                tracing::error!(what, "missing at the broker; `quire admin apply` creates it");
                Some(Fault::Missing { what })
            }
            // An agent need not be permitted to look.
            _ => None,
        }
    }

    /// Why the session ended; `None` if it was to end.
    async fn session(&self) -> Option<Fault> {
        match self.open().await {
            Ok(mut session) => self.feed(&mut session).await,
            Err(fault) => Some(fault),
        }
    }

    async fn open(&self) -> Result<Session, Fault> {
        let denials = self.link.denials();
        let tie = self.link.tie()?;
        let inbox = tie.client.new_inbox();
        let answers = tie.client.subscribe(inbox.clone()).await.map_err(|_| Fault::Lost)?;
        let context = tie.context();
        Ok(Session {
            tie,
            context,
            inbox,
            answers,
            denials,
            asked: 0,
            heard: Instant::now(),
            again: FuturesUnordered::new(),
        })
    }

    async fn feed(&self, session: &mut Session) -> Option<Fault> {
        loop {
            if self.lane.is_paused() {
                if session.asked > 0 || !session.again.is_empty() {
                    return self.end(session).await.err();
                }
                self.lane.set_fed(false);
            }
            if let Err(fault) = self.ask(session).await {
                return Some(fault);
            }
            tokio::select! {
                answer = session.answers.next() => match answer {
                    Some(answer) => {
                        session.heard = Instant::now();
                        if let Err(fault) = self.hear(session, answer) {
                            return Some(fault);
                        }
                    }
                    None => return Some(Fault::Lost),
                },
                () = self.lane.demand.notified() => {}
                () = self.link.untied(&session.tie) => return Some(Fault::Lost),
                denied = session.denials.recv() => {
                    if let Ok(what) = denied
                        && self.is_refused(session, &what)
                    {
                        return Some(Fault::Denied { what });
                    }
                }
                Some(held) = session.again.next() => self.lane.arrive(held),
                () = sleep(TICK) => {}
            }
            if session.asked > 0 && session.heard.elapsed() > SILENCE {
                return Some(Fault::Lost);
            }
        }
    }

    /// Has the server send no more, and takes what it has sent. The paused lane gives it back: nobody has to wait for it
    /// until the ack wait is over, unless the server was sending it at that very moment.
    async fn end(&self, session: &mut Session) -> Result<(), Fault> {
        session.answers.drain().await.map_err(|_| Fault::Lost)?;
        loop {
            tokio::select! {
                answer = session.answers.next() => match answer {
                    // What it says of the session does not matter any more.
                    Some(answer) => drop(self.hear(session, answer)),
                    None => break,
                },
                () = self.link.untied(&session.tie) => return Err(Fault::Lost),
                () = sleep(SILENCE) => return Err(Fault::Lost),
            }
        }
        while let Some(held) = session.again.next().await {
            self.lane.arrive(held);
        }
        Ok(())
    }

    /// Whether a refusal makes this lane useless: it cannot ask, or hear, or say what became of messages.
    fn is_refused(&self, session: &Session, what: &str) -> bool {
        let queue = self.lane.queue;
        concerns(what, &names::next(queue)) || concerns(what, &session.inbox) || silences(what, queue)
    }

    /// Asks for what is wanted beyond what was asked for.
    async fn ask(&self, session: &mut Session) -> Result<(), Fault> {
        let batch = self.lane.missing(session.asked + session.again.len()).min(MAX_BATCH);
        if batch == 0 {
            return Ok(());
        }
        let request = json!({
            "batch": batch,
            "expires": nanos(EXPIRES),
            "idle_heartbeat": nanos(HEARTBEAT),
        });
        if session.asked == 0 {
            session.heard = Instant::now();
        }
        self.lane.set_fed(true);
        session.asked += batch;
        let next = names::next(self.lane.queue);
        let sent =
            session.tie.client.publish_with_reply(next, session.inbox.clone(), request.to_string().into());
        sent.await.map_err(|_| Fault::Lost)
    }

    fn hear(&self, session: &mut Session, answer: Wire) -> Result<(), Fault> {
        if answer.status.is_some() && answer.reply.is_none() {
            match status(&answer) {
                Status::Heartbeat => {}
                Status::Ended(owed) => session.asked = session.asked.saturating_sub(owed),
                Status::Broken => {
                    let said = answer.description.unwrap_or_else(|| format!("{:?}", answer.status));
                    return Err(Fault::Strange(said));
                }
            }
            return Ok(());
        }
        session.asked = session.asked.saturating_sub(1);
        self.receive(session, answer);
        Ok(())
    }

    fn receive(&self, session: &Session, answer: Wire) {
        let arrived = Instant::now();
        let message = jetstream::Message { message: answer, context: session.context.clone() };
        let info = message.info().map(|info| (info.stream_sequence, info.delivered));
        let (Ok((sequence, delivered)), Some(reply)) = (info, message.message.reply.clone()) else {
            tracing::warn!(queue = %self.lane.queue, "an answer of the broker is no message of a stream");
            return;
        };
        let delivered = u64::try_from(delivered).unwrap_or(1).max(1);
        let held = Held {
            message: wire::decode(message.message),
            sequence,
            delivered,
            reply,
            attempt: 1,
            presumed: 1,
            again: delivered > 1,
            arrived,
            lease_ends: arrived + self.lane.ack_wait(),
        };
        if held.again {
            let (attempts, lane) = (self.attempts.clone(), Arc::clone(&self.lane));
            session.again.push(Box::pin(async move {
                let attempt = attempts.of(&lane, sequence, delivered).await;
                Held { attempt, presumed: attempt, ..held }
            }));
        } else {
            self.lane.arrive(held);
        }
    }
}

fn status(answer: &Wire) -> Status {
    let owed = answer.headers.as_ref().and_then(|headers| headers.get("Nats-Pending-Messages"));
    let owed = owed.and_then(|value| value.as_str().parse::<usize>().ok());
    match answer.status {
        Some(StatusCode::IDLE_HEARTBEAT) => Status::Heartbeat,
        // Too large for the request, timed out, nothing there: the request is over, the consumer is well.
        Some(StatusCode::TIMEOUT | StatusCode::NOT_FOUND) => owed.map_or(Status::Broken, Status::Ended),
        // Deleted consumer, no responders, change of leader, server shutting down, too many requests.
        _ => Status::Broken,
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
