//! A program of ours as a process: settings, logs, probes, broker, state, signals, drain.
//!
//! A program is a [`Role`]: what it serves beside health, and what it works at until it is told to stop. [`main`] is
//! everything around it, the same for all.

mod args;
mod audit;
mod broker;
mod control;
mod error;
mod grace;
mod observe;
mod peers;
mod ready;
mod register;
mod running;
mod server;
mod services;
mod signals;
mod stage;
mod store;
mod tls;

use std::{
    process::ExitCode,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use clap::Args;
use quire_broker::{Broker, Readiness};
use quire_cache::CacheStore;
use tokio_util::sync::CancellationToken;

use crate::{
    BoxError, Metrics, State, Store,
    config::{self, Setting, Settings},
    shared_cache::SharedCache,
    telemetry::{LogOptions, Telemetry},
};

pub use args::{LogFormatArg, NoArgs, ProcessArgs};
pub use audit::{audit, caller};
pub use broker::BrokerArgs;
pub use error::ProcessError;
pub use peers::PeerError;
pub use ready::{Ready, ReadySwitch};
pub use register::{HEARTBEAT, REGISTER, instance_name};
pub use services::Services;
pub use stage::StageRole;
pub use tls::ListenTlsArgs;

use running::Running;
use server::{Server, Vitals};

/// What is logged unless `RUST_LOG` says otherwise.
const LOGS: &str = "info,async_nats=warn,object_store=warn,sled=off";
/// How long everything may take that comes after the work: deliveries given back, caches and traces written down,
/// connections ended. Nothing of that is worth being killed for.
const AFTERWARDS: Duration = Duration::from_millis(1_500);

/// What a program is called, and where it listens if nobody says otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// Its stage: `fetch`, `validate`, `index`, `render`, or `coordinate`.
    pub stage: &'static str,
    /// Its port on loopback.
    pub port: u16,
}

/// What a process works at.
pub trait Role: Send + 'static {
    /// Adds the services beside health, reflection and the agent's control plane. They may be called before [`Self::work`] has begun.
    fn serve(&self, services: &mut Services);

    /// What it serves by HTTP beside probes and metrics, at the same times.
    fn http(&self) -> axum::Router {
        axum::Router::new()
    }

    /// Whether it takes work before it has said anything of that.
    fn ready_at_first(&self) -> Ready {
        Ready::Yes
    }

    /// Works until [`Process::stopping`], and ends cleanly.
    fn work(self, process: Arc<Process>) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// What a role works with.
#[derive(Debug)]
pub struct Process {
    /// Lanes and small shared state.
    pub broker: Broker,
    /// The store that all agents share.
    pub store: Store,
    /// The folder of this process.
    pub state: State,
    /// Its caches.
    pub caches: CacheStore,
    /// What it has done.
    pub metrics: Metrics,
    /// Its instruments.
    pub telemetry: Telemetry,
    /// Settings that all processes have.
    pub args: ProcessArgs,
    running: Arc<Running>,
}

impl Process {
    /// Done once the process shall end.
    pub async fn stopping(&self) {
        self.running.stop.cancelled().await;
    }

    /// Cancelled once the process shall end.
    #[must_use]
    pub fn stop_token(&self) -> &CancellationToken {
        &self.running.stop
    }

    /// To say whether the role takes work. While the broker is away, the process is unready whatever is said.
    #[must_use]
    pub fn ready(&self) -> &ReadySwitch {
        &self.running.ready
    }
}

/// Runs a program to its end.
pub fn main<A: Args, R: Role>(
    program: Program,
    role: impl FnOnce(A, &ProcessArgs) -> Result<R, BoxError>,
) -> ExitCode {
    let listen = format!("127.0.0.1:{}", program.port);
    let shape = |command: clap::Command| {
        command
            .name(program.name)
            .about(program.about)
            .mut_arg("listen", |arg| arg.default_value(listen.clone()).required(false))
    };
    let settings = Settings::<args::AllArgs<A>>::read(shape)
        .and_then(|settings| config::check_pairs(&settings.shown, &broker::PAIRS).map(|()| settings));
    let settings = match settings {
        Ok(settings) => settings,
        Err(config::ConfigError::Usage(error)) => error.exit(),
        Err(error) => return told(&error, 2),
    };
    if settings.args.process.print_config {
        return print(&config::print(&settings.shown));
    }
    let Settings { args: args::AllArgs { process, own }, shown } = settings;
    let logs = LogOptions { format: process.log_format.into(), default_filter: LOGS.to_owned() };
    let ran = role(own, &process)
        .map_err(ProcessError::Role)
        .and_then(|role| run(program, process, &logs, shown.into(), role));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = crate::chain(&error), "the process ends");
            if matches!(error, ProcessError::Telemetry(_)) { told(&error, 2) } else { ExitCode::FAILURE }
        }
    }
}

fn run<R: Role>(
    program: Program,
    args: ProcessArgs,
    logs: &LogOptions,
    settings: Arc<[Setting]>,
    role: R,
) -> Result<(), ProcessError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| ProcessError::Start(error.into()))?;
    // Exporters want a runtime around them.
    let telemetry = {
        let _in_runtime = runtime.enter();
        Telemetry::start(program.name, logs)?
    };
    let afterwards = Afterwards::default();
    let running = Arc::new(Running {
        program,
        settings,
        ready: ReadySwitch::new("starting"),
        stop: CancellationToken::new(),
        started: Instant::now(),
        metrics: Metrics::new(),
        telemetry: telemetry.clone(),
        broker: OnceLock::new(),
        caches: OnceLock::new(),
        agent: OnceLock::new(),
    });
    let ended = runtime.block_on(live(args, running, role, &afterwards));
    telemetry.end(afterwards.left());
    // What still blocks has had its grace.
    runtime.shutdown_timeout(afterwards.left());
    ended
}

/// The time after the work.
#[derive(Debug, Default)]
struct Afterwards(OnceLock<Instant>);

impl Afterwards {
    /// What is left of it; it begins with the first call.
    fn left(&self) -> Duration {
        self.0
            .get_or_init(Instant::now)
            .checked_add(AFTERWARDS)
            .map_or(AFTERWARDS, |end| end.saturating_duration_since(Instant::now()))
    }

    /// The most that one part of it may take: others come after it.
    fn share(&self) -> Duration {
        self.left() / 2
    }
}

async fn live<R: Role>(
    args: ProcessArgs,
    running: Arc<Running>,
    role: R,
    afterwards: &Afterwards,
) -> Result<(), ProcessError> {
    let (ready, stop) = (&running.ready, &running.stop);
    signals::watch(stop.clone());
    ready.set_role(role.ready_at_first());
    observe::process(&running.telemetry.meter(), &running);
    let vitals = Vitals { ready: ready.clone(), telemetry: running.telemetry.clone() };
    let services = |services: &mut Services| {
        services.add(control::Control::service(Arc::clone(&running)));
        role.serve(services);
    };
    let http = role.http();
    let tls = args.tls.read()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let server = Server::start(args.listen, tls, args.health_listen, vitals, http, services).await?;
    let program = running.program.name;
    tracing::info!(program, address = %server.address, "listening");
    let address = args.advertise.clone().unwrap_or_else(|| format!("{scheme}://{}", server.address));
    let worked = work(args, Arc::clone(&running), address, (role, afterwards)).await;
    ready.set_process(Ready::no("stopping"));
    stop.cancel();
    if tokio::time::timeout(afterwards.share(), server.stop()).await.is_err() {
        tracing::debug!("connections were cut");
    }
    tracing::info!(program, "ended");
    worked
}

async fn work<R: Role>(
    args: ProcessArgs,
    running: Arc<Running>,
    address: String,
    (role, afterwards): (R, &Afterwards),
) -> Result<(), ProcessError> {
    let (ready, stop) = (&running.ready, &running.stop);
    let state = State::open(&args.state)?;
    let caches = state.open_caches()?;
    let Some(store) = store::open(&args.store, ready, stop).await? else { return Ok(()) };
    ready.set_process(Ready::no("connecting to the broker"));
    let mut options = args.broker.options(running.program.name);
    options.dev = args.dev;
    let connecting = Broker::jet_stream(options);
    let broker = tokio::select! {
        broker = connecting => broker?,
        () = stop.cancelled() => return Ok(()),
    };
    if args.shared_cache {
        caches.share(Arc::new(SharedCache::new(&broker)));
    }
    let _ = (running.broker.set(broker.clone()), running.caches.set(caches.clone()));
    let following = tokio::spawn(follow(broker.clone(), ready.clone(), stop.clone()));
    let registered = tokio::spawn(register::keep(Arc::clone(&running), broker.clone(), address));
    let process = Arc::new(Process {
        broker,
        store,
        state,
        caches,
        metrics: running.metrics.clone(),
        telemetry: running.telemetry.clone(),
        args,
        running: Arc::clone(&running),
    });
    let worked = tokio::select! {
        biased;
        worked = role.work(Arc::clone(&process)) => worked.map_err(ProcessError::Role),
        () = process.overdue() => {
            tracing::warn!("what runs did not end within the grace: it is cut short");
            Ok(())
        }
    };
    stop.cancel();
    let goodbye = async { tokio::join!(following, registered, process.broker.close()) };
    if tokio::time::timeout(afterwards.share(), goodbye).await.is_err() {
        tracing::warn!(
            "the broker did not hear of the end: what it still counts as ours comes again by itself"
        );
    }
    let flushing = tokio::task::spawn_blocking(move || process.caches.flush());
    if tokio::time::timeout(afterwards.share(), flushing).await.is_err() {
        tracing::warn!("the caches were not written down: what they had is found out again");
    }
    worked
}

/// The process is ready while the broker is.
async fn follow(broker: Broker, ready: ReadySwitch, stop: CancellationToken) {
    let mut readiness = broker.readiness();
    loop {
        let now = match &*readiness.borrow_and_update() {
            Readiness::Ready => Ready::Yes,
            Readiness::Unready { reason } => Ready::no(format!("broker: {reason}")),
        };
        ready.set_process(now);
        tokio::select! {
            () = stop.cancelled() => break,
            changed = readiness.changed() => {
                if changed.is_err() {
                    break;
                }
            }
        }
    }
    ready.set_process(Ready::no("stopping"));
}

#[allow(clippy::print_stdout, reason = "asked for at the terminal")]
fn print(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

/// Before there is a log.
#[allow(clippy::print_stderr, reason = "told to whoever started the process")]
fn told(error: &(dyn std::error::Error + 'static), code: u8) -> ExitCode {
    eprintln!("error: {}", crate::chain(error));
    ExitCode::from(code)
}
