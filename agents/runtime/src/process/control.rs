//! `AgentService`: the control plane of every process.

use std::{pin::Pin, sync::Arc, time::Duration};

use quire_api::control::{
    CacheStatus, ClearCachesRequest, ClearCachesResponse, DrainRequest, DrainResponse, GetCachesRequest,
    GetCachesResponse, GetConfigRequest, GetConfigResponse, PauseRequest, PauseResponse, ResumeRequest,
    ResumeResponse, SetLogFilterRequest, SetLogFilterResponse, Setting, StatusRequest, StatusResponse,
    TuneRequest, TuneResponse, WarmCachesRequest, WarmCachesResponse, WatchRequest, WatchResponse,
    agent_service_server::{AgentService, AgentServiceServer},
};
use quire_cache::CacheStore;
use quire_proto::Lane;
use tokio_stream::{Stream, StreamExt as _, wrappers::IntervalStream};
use tonic::{Request, Response, Status};

use super::{
    Ready,
    audit::{audit, caller},
    running::Running,
};
use crate::{
    Agent,
    scheduler::{MIN_SLOTS, too_few_slots},
};

/// Between two answers of a watch, unless it says otherwise, in milliseconds.
const INTERVAL_MS: u32 = 1_000;
/// At least so many.
const MIN_INTERVAL_MS: u32 = 100;

/// For how long another filter of logs is in force unless the request says so, in seconds.
const LOG_SECONDS: u32 = 600;
/// At most so long.
const MAX_LOG_SECONDS: u32 = 86_400;

/// The service's implementation.
pub(super) struct Control(Arc<Running>);

type Answer<T> = Result<Response<T>, Status>;

impl Control {
    pub(super) fn service(running: Arc<Running>) -> AgentServiceServer<Self> {
        AgentServiceServer::new(Self(running))
    }

    fn agent(&self) -> Result<&Agent, Status> {
        let Running { program, ready, agent, .. } = &*self.0;
        let Some(agent) = agent.get() else {
            return Err(match ready.get() {
                Ready::Yes => Status::failed_precondition(format!("{} has no lanes", program.name)),
                Ready::No { reason } => Status::unavailable(reason),
            });
        };
        Ok(agent)
    }

    fn caches(&self) -> Result<&CacheStore, Status> {
        let starting = || Status::unavailable(self.0.ready.get().reason().to_owned());
        self.0.caches.get().ok_or_else(starting)
    }

    /// The caches, if there is one of each of these names.
    fn named_caches(&self, names: &[String]) -> Result<CacheStore, Status> {
        let caches = self.caches()?;
        let known: Vec<&str> = caches.stats().iter().map(|stats| stats.name).collect();
        match names.iter().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => {
                let known = known.join(", ");
                Err(Status::not_found(format!("no cache is named `{unknown}`: there are {known}")))
            }
            None => Ok(caches.clone()),
        }
    }
}

/// Does something with each cache named, or once with all, on a thread that may block.
async fn on_each<T: Send + 'static>(
    names: Vec<String>,
    work: impl Fn(Option<&str>) -> T + Send + 'static,
) -> Result<Vec<T>, Status> {
    let done = tokio::task::spawn_blocking(move || match names.as_slice() {
        [] => vec![work(None)],
        names => names.iter().map(|name| work(Some(name))).collect(),
    });
    done.await.map_err(|error| Status::internal(error.to_string()))
}

fn lane(name: &str) -> Result<Lane, Status> {
    Lane::ALL.into_iter().find(|lane| lane.as_str() == name).ok_or_else(|| {
        let known = Lane::ALL.map(Lane::as_str).join(", ");
        Status::invalid_argument(format!("no lane is named `{name}`: there are {known}"))
    })
}

#[tonic::async_trait]
impl AgentService for Control {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn status(&self, _: Request<StatusRequest>) -> Answer<StatusResponse> {
        Ok(Response::new(self.0.status()))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Answer<Self::WatchStream> {
        let asked = request.into_inner().interval_ms;
        let every = if asked == 0 { INTERVAL_MS } else { asked.max(MIN_INTERVAL_MS) };
        let ticks = IntervalStream::new(tokio::time::interval(Duration::from_millis(every.into())));
        let (running, stop) = (Arc::clone(&self.0), self.0.stop.clone());
        let told = ticks
            .take_while(move |_| !stop.is_cancelled())
            .map(move |_| Ok(WatchResponse { status: Some(running.status()) }));
        Ok(Response::new(Box::pin(told)))
    }

    async fn pause(&self, request: Request<PauseRequest>) -> Answer<PauseResponse> {
        let from = caller(&request);
        let lane = lane(&request.get_ref().lane)?;
        self.agent()?.pause(lane);
        audit(&from, "pause", lane.as_str());
        Ok(Response::new(PauseResponse {}))
    }

    async fn resume(&self, request: Request<ResumeRequest>) -> Answer<ResumeResponse> {
        let from = caller(&request);
        let lane = lane(&request.get_ref().lane)?;
        self.agent()?.resume(lane);
        audit(&from, "resume", lane.as_str());
        Ok(Response::new(ResumeResponse {}))
    }

    async fn drain(&self, request: Request<DrainRequest>) -> Answer<DrainResponse> {
        audit(&caller(&request), "drain", "");
        self.0.stop.cancel();
        Ok(Response::new(DrainResponse {}))
    }

    async fn tune(&self, request: Request<TuneRequest>) -> Answer<TuneResponse> {
        let from = caller(&request);
        let TuneRequest { weights, slots } = request.into_inner();
        let agent = self.agent()?;
        let slots = (slots > 0).then(|| usize::try_from(slots).unwrap_or(usize::MAX));
        if slots.is_some_and(|slots| slots < MIN_SLOTS) {
            return Err(Status::invalid_argument(too_few_slots()));
        }
        if !weights.is_empty() {
            let weights: [u32; Lane::ALL.len()] = weights.try_into().map_err(|given: Vec<u32>| {
                Status::invalid_argument(format!(
                    "expected {} weights, found {}",
                    Lane::ALL.len(),
                    given.len()
                ))
            })?;
            audit(&from, "weights", &format!("{weights:?}"));
            agent.set_weights(weights);
        }
        if let Some(slots) = slots {
            audit(&from, "slots", &slots.to_string());
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
        let settings = self.0.settings.iter().map(setting).collect();
        Ok(Response::new(GetConfigResponse { settings }))
    }

    async fn get_caches(&self, _: Request<GetCachesRequest>) -> Answer<GetCachesResponse> {
        let told = self.caches()?.stats().into_iter().map(|stats| CacheStatus {
            name: stats.name.to_owned(),
            hits_memory: stats.hits_l1,
            hits_disk: stats.hits_l2,
            hits_shared: stats.hits_l3,
            misses: stats.misses,
            entries: stats.entries,
            bytes: stats.bytes,
            evictions: stats.evictions,
            damaged: stats.damaged,
        });
        Ok(Response::new(GetCachesResponse { caches: told.collect() }))
    }

    async fn clear_caches(&self, request: Request<ClearCachesRequest>) -> Answer<ClearCachesResponse> {
        let from = caller(&request);
        let names = request.into_inner().names;
        let caches = self.named_caches(&names)?;
        audit(&from, "clear caches", &names.join(", "));
        let cleared: Result<Vec<()>, String> =
            on_each(names, move |name| caches.clear(name)).await?.into_iter().collect();
        cleared.map(|_| Response::new(ClearCachesResponse {})).map_err(|why| {
            Status::unavailable(format!("emptied here, but not what agents share: {why}. Try again"))
        })
    }

    async fn warm_caches(&self, request: Request<WarmCachesRequest>) -> Answer<WarmCachesResponse> {
        let from = caller(&request);
        let names = request.into_inner().names;
        let caches = self.named_caches(&names)?;
        audit(&from, "warm caches", &names.join(", "));
        let warmed = on_each(names, move |name| caches.warm(name)).await?.into_iter().sum();
        Ok(Response::new(WarmCachesResponse { warmed }))
    }

    async fn set_log_filter(&self, request: Request<SetLogFilterRequest>) -> Answer<SetLogFilterResponse> {
        let from = caller(&request);
        let SetLogFilterRequest { filter, seconds } = request.into_inner();
        let seconds = if seconds == 0 { LOG_SECONDS } else { seconds };
        if seconds > MAX_LOG_SECONDS {
            return Err(Status::invalid_argument(format!(
                "a filter lasts {MAX_LOG_SECONDS} seconds at most"
            )));
        }
        let lasts = Duration::from_secs(seconds.into());
        let set = self.0.telemetry.set_log_filter(&filter, lasts);
        set.map_err(|error| Status::invalid_argument(crate::chain(&error)))?;
        audit(&from, "log filter", &format!("{filter} for {seconds} s"));
        Ok(Response::new(SetLogFilterResponse {}))
    }
}
