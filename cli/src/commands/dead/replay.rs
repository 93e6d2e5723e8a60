//! `quire dead replay`, at once or letter by letter.

use std::time::Duration;

use anyhow::Context as _;
use quire_api::run::{DeadFilter, ReplayDeadRequest, ReplayDeadResponse};
use tokio::time::{MissedTickBehavior, interval};

use super::{Counted, all};
use crate::{
    LaneArg, ReplayDeadArgs,
    commands::run::{client, report, watch},
    output,
    remote::{LONG_DEADLINE, Servers},
};

/// Replays what the arguments mean.
///
/// # Errors
/// If the coordinator cannot be reached or refuses; with a rate, if a run fails.
pub(super) async fn replay(args: &ReplayDeadArgs) -> anyhow::Result<Counted> {
    let (change, mut servers) = (&args.change, Servers::of(&args.change.server)?);
    let request = ReplayDeadRequest {
        filter: Some(change.filter.must_say()?),
        lane: args.lane.map_or(0, LaneArg::number),
        dry_run: change.dry_run,
    };
    let mut counted = Counted { dry_run: change.dry_run, runs: Some(Vec::new()), ..Counted::default() };
    match args.rate {
        Some(rate) if !change.dry_run => {
            paced(&mut servers, &request, rate, &mut counted).await?;
            counted.over = true;
        }
        _ => drop(ask(&mut servers, &request, &mut counted).await?),
    }
    Ok(counted)
}

/// The runs that were begun.
async fn ask(
    servers: &mut Servers,
    request: &ReplayDeadRequest,
    counted: &mut Counted,
) -> anyhow::Result<Vec<String>> {
    let replay = async |channel| client(channel).replay_dead(request.clone()).await;
    let ReplayDeadResponse { replayed, skipped, runs, failures } = servers.ask(LONG_DEADLINE, replay).await?;
    failures.iter().for_each(|failure| output::note(&format!("not replayed: {failure}")));
    counted.failures.extend(failures);
    counted.letters += replayed;
    counted.skipped += skipped;
    counted.runs.get_or_insert_default().extend_from_slice(&runs);
    Ok(runs)
}

/// So many letters each second, and never more than one such batch under way. What it has not come to when it is ended stays
/// a letter; letters of what dies again are none of those that were meant.
async fn paced(
    servers: &mut Servers,
    request: &ReplayDeadRequest,
    rate: u16,
    counted: &mut Counted,
) -> anyhow::Result<()> {
    // Refuses numbers that are none.
    let counting = ReplayDeadRequest { dry_run: true, ..request.clone() };
    ask(servers, &counting, &mut Counted::default()).await?;
    let numbers = numbers(servers, &request.filter.clone().unwrap_or_default()).await?;
    let mut pace = interval(Duration::from_secs(1));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for (done, batch) in (1..).zip(numbers.chunks(usize::from(rate))) {
        pace.tick().await;
        // Without those that somebody else has seen to meanwhile.
        let filter = DeadFilter { numbers: batch.to_vec(), ..DeadFilter::default() };
        let filter = DeadFilter { numbers: self::numbers(servers, &filter).await?, ..filter };
        if !filter.numbers.is_empty() {
            let request = ReplayDeadRequest { filter: Some(filter), ..request.clone() };
            for run in ask(servers, &request, counted).await? {
                let ended = watch(servers, run, true).await?;
                report(&ended).context("the letters that were not replayed yet are still there")?;
            }
        }
        let done = (done * usize::from(rate)).min(numbers.len());
        output::note(&format!("{done} of {} letters seen to", numbers.len()));
    }
    Ok(())
}

async fn numbers(servers: &mut Servers, filter: &DeadFilter) -> anyhow::Result<Vec<u64>> {
    Ok(all(servers, filter).await?.iter().map(|letter| letter.number).collect())
}
