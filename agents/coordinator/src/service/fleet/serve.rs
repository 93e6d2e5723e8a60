//! `FleetService`. A standby answers as well: it knows as much.

use std::sync::{Arc, OnceLock};

use quire_api::control::{
    ListAgentsRequest, ListAgentsResponse, ListLanesRequest, ListLanesResponse, PauseLaneRequest,
    PauseLaneResponse, ResumeLaneRequest, ResumeLaneResponse,
    fleet_service_server::{FleetService, FleetServiceServer},
};
use quire_proto::{Lane, StageName};
use quire_runtime::{
    broker::{AdminError, Broker, Queue, Readiness},
    process::{audit, caller},
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{lanes::lanes, roll::Roll};

type Answer<T> = Result<Response<T>, Status>;

/// All agents together. Cheap to clone.
#[derive(Clone, Default)]
pub(in crate::service) struct Fleet(Arc<Shared>);

#[derive(Default)]
struct Shared {
    roll: Roll,
    /// Empty until the work has begun.
    broker: OnceLock<Broker>,
}

impl Fleet {
    pub(in crate::service) fn service(&self) -> FleetServiceServer<Self> {
        FleetServiceServer::new(self.clone())
    }

    /// Follows the register of agents until the process stops.
    pub(in crate::service) async fn follow(self, broker: Broker, stop: CancellationToken) {
        let broker = self.0.broker.get_or_init(|| broker);
        self.0.roll.follow(broker, &stop).await;
    }

    fn broker(&self) -> Result<&Broker, Status> {
        self.0.broker.get().ok_or_else(|| Status::unavailable("this coordinator has no broker yet"))
    }

    /// Pauses or resumes lanes everywhere.
    async fn set(&self, stage: &str, lane: &str, paused: bool) -> Result<(), Status> {
        let broker = self.broker()?;
        for queue in queues(stage, lane)? {
            let set = if paused {
                broker.pause_everywhere(queue).await
            } else {
                broker.resume_everywhere(queue).await
            };
            set.map_err(|error| refused(&error))?;
        }
        Ok(())
    }
}

/// The queues that are meant.
fn queues(stage: &str, lane: &str) -> Result<Vec<Queue>, Status> {
    let named = StageName::ALL.into_iter().find(|known| known.as_str() == stage).ok_or_else(|| {
        let known = StageName::ALL.map(StageName::as_str).join(", ");
        Status::invalid_argument(format!("no stage is named `{stage}`: there are {known}"))
    })?;
    let lanes: Vec<Lane> =
        Lane::ALL.into_iter().filter(|known| lane.is_empty() || known.as_str() == lane).collect();
    if lanes.is_empty() {
        let known = Lane::ALL.map(Lane::as_str).join(", ");
        return Err(Status::invalid_argument(format!("no lane is named `{lane}`: there are {known}")));
    }
    Ok(lanes.into_iter().map(|lane| Queue::work(named, lane)).collect())
}

fn refused(error: &AdminError) -> Status {
    Status::unavailable(format!("the broker does not do it: {}", quire_runtime::chain(error)))
}

#[tonic::async_trait]
impl FleetService for Fleet {
    async fn list_agents(&self, _: Request<ListAgentsRequest>) -> Answer<ListAgentsResponse> {
        // Who cannot be heard for want of the broker may well be there.
        let away = *self.broker()?.readiness().borrow() != Readiness::Ready;
        let present = if away { self.0.roll.remembered() } else { self.0.roll.present() };
        let mut agents: Vec<_> = present.into_iter().map(|agent| agent.entry).collect();
        let place = |stage: &str| StageName::ALL.iter().position(|known| known.as_str() == stage);
        agents.sort_by_key(|agent| agent.status.as_ref().and_then(|status| place(&status.stage)));
        Ok(Response::new(ListAgentsResponse { agents }))
    }

    async fn list_lanes(&self, _: Request<ListLanesRequest>) -> Answer<ListLanesResponse> {
        let lanes = lanes(self.broker()?, &self.0.roll.present());
        Ok(Response::new(ListLanesResponse { lanes }))
    }

    async fn pause_lane(&self, request: Request<PauseLaneRequest>) -> Answer<PauseLaneResponse> {
        let from = caller(&request);
        let PauseLaneRequest { stage, lane } = request.into_inner();
        self.set(&stage, &lane, true).await?;
        audit(&from, "pause everywhere", &format!("{stage} {lane}"));
        Ok(Response::new(PauseLaneResponse {}))
    }

    async fn resume_lane(&self, request: Request<ResumeLaneRequest>) -> Answer<ResumeLaneResponse> {
        let from = caller(&request);
        let ResumeLaneRequest { stage, lane } = request.into_inner();
        self.set(&stage, &lane, false).await?;
        audit(&from, "resume everywhere", &format!("{stage} {lane}"));
        Ok(Response::new(ResumeLaneResponse {}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_without_a_lane_means_all_its_lanes_and_unknown_names_are_told() {
        assert_eq!(queues("render", "").unwrap().len(), Lane::ALL.len());
        assert_eq!(queues("render", "low").unwrap(), [Queue::work(StageName::Render, Lane::Low)]);
        assert!(queues("renders", "").unwrap_err().message().contains("fetch, validate, index, render"));
        assert!(queues("render", "lower").unwrap_err().message().contains("critical, high, normal, low"));
    }
}
