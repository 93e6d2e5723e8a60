//! `AgentService`: the control plane of a stage's agent.

use std::{pin::Pin, sync::Arc, time::Duration};

use quire_api::control::{
    CacheStatus, ClearCachesRequest, ClearCachesResponse, DrainRequest, DrainResponse, GetCachesRequest,
    GetCachesResponse, GetConfigRequest, GetConfigResponse, LaneStatus, PauseRequest, PauseResponse,
    ResumeRequest, ResumeResponse, Setting, StatusRequest, StatusResponse, TuneRequest, TuneResponse,
    WatchRequest, WatchResponse,
    agent_service_server::{AgentService, AgentServiceServer},
};
use quire_proto::Lane;
use tokio_stream::{Stream, StreamExt as _, wrappers::IntervalStream};
use tonic::{Request, Response, Status};

use super::{Process, stage::Running};
use crate::{Agent, scheduler::MIN_SLOTS};

/// Between two answers of a watch, unless it says otherwise, in milliseconds.
const INTERVAL_MS: u32 = 1_000;
/// At least so many.
const MIN_INTERVAL_MS: u32 = 100;

/// The service's implementation.
pub(super) struct Control(Arc<Running>);

type Answer<T> = Result<Response<T>, Status>;

impl Control {
    pub(super) fn service(running: Arc<Running>) -> AgentServiceServer<Self> {
        AgentServiceServer::new(Self(running))
    }

    fn agent(&self) -> Result<&(Agent, Arc<Process>), Status> {
        self.0.agent.get().ok_or_else(|| Status::unavailable(self.0.controls.ready.get().reason().to_owned()))
    }
}

/// A change, as whoever looks for who did what finds it.
fn audit(action: &'static str, what: &str) {
    tracing::info!(target: "quire_audit", action, what, "control plane changed the agent");
}

fn lane(name: &str) -> Result<Lane, Status> {
    Lane::ALL.into_iter().find(|lane| lane.as_str() == name).ok_or_else(|| {
        let known = Lane::ALL.map(Lane::as_str).join(", ");
        Status::invalid_argument(format!("no lane is named `{name}`: there are {known}"))
    })
}

fn status(running: &Running) -> StatusResponse {
    let ready = running.controls.ready.get();
    let mut status = StatusResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ready: ready.is_yes(),
        reason: ready.reason().to_owned(),
        uptime_seconds: running.started.elapsed().as_secs(),
        ..StatusResponse::default()
    };
    let Some((agent, process)) = running.agent.get() else { return status };
    let stats = agent.stats();
    status.stage = stats.stage.to_string();
    status.draining = stats.draining;
    status.slots = u32::try_from(stats.slots).unwrap_or(u32::MAX);
    let served = process.metrics.snapshot();
    status.lanes = stats
        .lanes
        .iter()
        .map(|lane| {
            let known = served.iter().find(|served| served.stage == stats.stage && served.lane == lane.lane);
            let mut status = LaneStatus {
                lane: lane.lane.to_string(),
                paused: lane.paused,
                running: u32::try_from(lane.used.running).unwrap_or(u32::MAX),
                service_ms: u64::try_from(lane.used.service.as_millis()).unwrap_or(u64::MAX),
                ..LaneStatus::default()
            };
            if let Some(served) = known {
                status.processed = served.counts.processed + served.counts.cached;
                (status.p50_ms, status.p95_ms, status.p99_ms) =
                    (served.service.p50_ms, served.service.p95_ms, served.service.p99_ms);
            }
            status
        })
        .collect();
    status
}

#[tonic::async_trait]
impl AgentService for Control {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn status(&self, _: Request<StatusRequest>) -> Answer<StatusResponse> {
        Ok(Response::new(status(&self.0)))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Answer<Self::WatchStream> {
        let asked = request.into_inner().interval_ms;
        let every = if asked == 0 { INTERVAL_MS } else { asked.max(MIN_INTERVAL_MS) };
        let ticks = IntervalStream::new(tokio::time::interval(Duration::from_millis(every.into())));
        let (running, stop) = (Arc::clone(&self.0), self.0.controls.stop.clone());
        let told = ticks
            .take_while(move |_| !stop.is_cancelled())
            .map(move |_| Ok(WatchResponse { status: Some(status(&running)) }));
        Ok(Response::new(Box::pin(told)))
    }

    async fn pause(&self, request: Request<PauseRequest>) -> Answer<PauseResponse> {
        let lane = lane(&request.get_ref().lane)?;
        self.agent()?.0.pause(lane);
        audit("pause", lane.as_str());
        Ok(Response::new(PauseResponse {}))
    }

    async fn resume(&self, request: Request<ResumeRequest>) -> Answer<ResumeResponse> {
        let lane = lane(&request.get_ref().lane)?;
        self.agent()?.0.resume(lane);
        audit("resume", lane.as_str());
        Ok(Response::new(ResumeResponse {}))
    }

    async fn drain(&self, _: Request<DrainRequest>) -> Answer<DrainResponse> {
        audit("drain", "");
        self.0.controls.stop.cancel();
        Ok(Response::new(DrainResponse {}))
    }

    async fn tune(&self, request: Request<TuneRequest>) -> Answer<TuneResponse> {
        let TuneRequest { weights, slots } = request.into_inner();
        let (agent, _) = self.agent()?;
        let slots = (slots > 0).then(|| usize::try_from(slots).unwrap_or(usize::MAX));
        if slots.is_some_and(|slots| slots < MIN_SLOTS) {
            return Err(Status::invalid_argument(format!("an agent has at least {MIN_SLOTS} slots")));
        }
        if !weights.is_empty() {
            let weights: [u32; Lane::ALL.len()] = weights.try_into().map_err(|given: Vec<u32>| {
                Status::invalid_argument(format!(
                    "expected {} weights, found {}",
                    Lane::ALL.len(),
                    given.len()
                ))
            })?;
            audit("weights", &format!("{weights:?}"));
            agent.set_weights(weights);
        }
        if let Some(slots) = slots {
            audit("slots", &slots.to_string());
            agent.set_slots(slots);
        }
        Ok(Response::new(TuneResponse {}))
    }

    async fn get_config(&self, _: Request<GetConfigRequest>) -> Answer<GetConfigResponse> {
        let setting = |setting: &crate::config::Setting| Setting {
            name: setting.name.clone(),
            value: setting.value.clone(),
            origin: setting.origin.to_string(),
        };
        let settings = self.0.controls.settings.iter().map(setting).collect();
        Ok(Response::new(GetConfigResponse { settings }))
    }

    async fn get_caches(&self, _: Request<GetCachesRequest>) -> Answer<GetCachesResponse> {
        let (_, process) = self.agent()?;
        let caches = process.caches.stats().into_iter().map(|stats| CacheStatus {
            name: stats.name.to_owned(),
            hits_memory: stats.hits_l1,
            hits_disk: stats.hits_l2,
            misses: stats.misses,
        });
        Ok(Response::new(GetCachesResponse { caches: caches.collect() }))
    }

    async fn clear_caches(&self, request: Request<ClearCachesRequest>) -> Answer<ClearCachesResponse> {
        let (_, process) = self.agent()?;
        let names = request.into_inner().names;
        let known: Vec<&str> = process.caches.stats().iter().map(|stats| stats.name).collect();
        if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
            let known = known.join(", ");
            return Err(Status::not_found(format!("no cache is named `{unknown}`: there are {known}")));
        }
        audit("clear caches", &names.join(", "));
        let caches = process.caches.clone();
        tokio::task::spawn_blocking(move || match names.as_slice() {
            [] => caches.clear(None),
            names => names.iter().for_each(|name| caches.clear(Some(name))),
        })
        .await
        .map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(ClearCachesResponse {}))
    }
}
