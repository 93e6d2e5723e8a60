//! `quire top`: runs, lanes and agents as they change.

use std::{io::IsTerminal as _, time::Duration};

use quire_api::run::{ListRequest, Run};
use ratatui::{
    DefaultTerminal, Frame,
    crossterm::event::{self, Event, KeyCode, KeyModifiers},
    layout::{Constraint, Layout},
    style::{Style, Stylize as _},
    text::{Line, Text},
    widgets::{Block, Borders, Paragraph},
};
use tokio::sync::mpsc;

use super::{
    agents::{self, Told},
    lanes::{self, Lane},
    run,
};
use crate::{
    Exit, ServerArgs, TopArgs, output,
    remote::{DEADLINE, Servers, block_on},
};

/// Runs that are shown.
const RUNS: u32 = 8;
/// How often keys are looked for.
const KEYS: Duration = Duration::from_millis(100);

/// Shows what happens until someone types `q`; once, as text, where there is no terminal.
///
/// # Errors
/// If the coordinator cannot be reached at first. Later, what was known stays on the screen.
pub fn run(args: &TopArgs) -> anyhow::Result<Exit> {
    block_on(async {
        let seen = look(&args.server).await?;
        if args.once || !std::io::stdout().is_terminal() {
            for part in [&seen.runs, &seen.lanes, &seen.agents] {
                output::text(&format!("{part}\n"))?;
            }
            seen.bottleneck.iter().try_for_each(|line| output::text(line))?;
            return Ok(Exit::Done);
        }
        let mut terminal = ratatui::init();
        let shown = show(&mut terminal, args, seen).await;
        ratatui::restore();
        shown.map(|()| Exit::Done)
    })
}

/// What there is to see, as text.
struct Seen {
    runs: String,
    lanes: String,
    agents: String,
    bottleneck: Option<String>,
    /// Why this is not what is now.
    error: Option<String>,
}

async fn look(server: &ServerArgs) -> anyhow::Result<Seen> {
    let lanes = lanes::lanes(server).await?;
    let agents: Vec<Told> = agents::all(server).await?.into_iter().map(Told::from).collect();
    let request = || ListRequest { catalogue: String::new(), limit: RUNS };
    let list = async |channel| run::client(channel).list(request()).await;
    let runs = Servers::of(server)?.ask(DEADLINE, list).await?.runs;
    Ok(Seen {
        runs: runs_table(&runs),
        bottleneck: lanes::bottleneck(&lanes),
        lanes: lanes::table(&busy(lanes)),
        agents: agents::table(&agents),
        error: None,
    })
}

/// Lanes in which something happens or has happened.
fn busy(mut lanes: Vec<Lane>) -> Vec<Lane> {
    lanes.retain(Lane::is_used);
    lanes
}

fn runs_table(runs: &[Run]) -> String {
    let row = |run: &Run| {
        let stages =
            run.stages.iter().map(|stage| format!("{} {}/{}", stage.stage, stage.settled, stage.announced));
        let stages: Vec<String> = stages.collect();
        vec![
            run.id.clone(),
            run::state(run.state()).to_owned(),
            run.phase.clone(),
            stages.join("  "),
            run.error.clone(),
        ]
    };
    output::table(&["run", "state", "phase", "parcels", "error"], runs.iter().map(row))
}

/// Looks again and again until someone wants no more.
async fn show(terminal: &mut DefaultTerminal, args: &TopArgs, mut seen: Seen) -> anyhow::Result<()> {
    let mut quit = keys();
    let mut ticks = tokio::time::interval(args.every);
    ticks.tick().await;
    loop {
        terminal.draw(|frame| draw(frame, &args.server.server, &seen))?;
        tokio::select! {
            _ = quit.recv() => return Ok(()),
            _ = ticks.tick() => match look(&args.server).await {
                Ok(now) => seen = now,
                Err(error) => seen.error = Some(format!("{error:#}")),
            },
        }
    }
}

/// Says once that someone typed `q`, Escape or Ctrl-C.
fn keys() -> mpsc::Receiver<()> {
    let (tell, told) = mpsc::channel(1);
    std::thread::spawn(move || {
        while !tell.is_closed() {
            match event::poll(KEYS) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(_) => break,
            }
            if let Ok(Event::Key(key)) = event::read()
                && (matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
                    || (key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL)))
            {
                break;
            }
        }
        // Nobody listens any more if this fails.
        let _ = tell.blocking_send(());
    });
    told
}

fn draw(frame: &mut Frame<'_>, server: &str, seen: &Seen) {
    let height = |text: &str| u16::try_from(text.lines().count()).unwrap_or(u16::MAX).saturating_add(1);
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Max(height(&seen.runs)),
        Constraint::Max(height(&seen.lanes)),
        Constraint::Min(3),
        Constraint::Length(1),
    ]);
    let [head, runs, lanes, agents, foot] = rows.areas(frame.area());
    let state = match &seen.error {
        Some(error) => format!("{error}: this is how it was").red(),
        None => seen.bottleneck.clone().unwrap_or_default().into(),
    };
    frame.render_widget(Line::from(vec![format!("quire top  {server}  ").bold(), state]), head);
    for (title, text, area) in
        [("Runs", &seen.runs, runs), ("Lanes", &seen.lanes, lanes), ("Agents", &seen.agents, agents)]
    {
        frame.render_widget(part(title, text), area);
    }
    frame.render_widget(Line::from("q ends").dim(), foot);
}

fn part<'a>(title: &'a str, table: &'a str) -> Paragraph<'a> {
    let mut lines = table.lines();
    let head = Line::styled(lines.next().unwrap_or_default(), Style::new().dim());
    let lines: Vec<Line<'_>> = std::iter::once(head).chain(lines.map(Line::from)).collect();
    Paragraph::new(Text::from(lines)).block(Block::new().borders(Borders::TOP).title(title))
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;

    #[test]
    fn the_screen_shows_runs_lanes_agents_and_what_is_wrong() {
        let seen = Seen {
            runs: "run  state\nfindings-3  running".to_owned(),
            lanes: "stage  lane\nrender  low".to_owned(),
            agents: "agent  stage\nhost-1  render".to_owned(),
            bottleneck: None,
            error: Some("no answer".to_owned()),
        };
        let mut terminal = Terminal::new(TestBackend::new(60, 14)).unwrap();
        terminal.draw(|frame| draw(frame, "127.0.0.1:7400", &seen)).unwrap();
        let shown = terminal.backend().to_string();
        for expected in [
            "127.0.0.1:7400  no answer: this is how it was",
            "Runs",
            "findings-3  running",
            "Lanes",
            "render  low",
            "Agents",
            "host-1  render",
            "q ends",
        ] {
            assert!(shown.contains(expected), "{expected}:\n{shown}");
        }
    }

    #[test]
    fn a_screen_too_small_for_everything_is_no_reason_to_fail() {
        let long = "a\n".repeat(100);
        let seen = Seen {
            runs: long.clone(),
            lanes: long.clone(),
            agents: long,
            bottleneck: Some("b".to_owned()),
            error: None,
        };
        for (width, height) in [(1, 1), (3, 2), (200, 5)] {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            terminal.draw(|frame| draw(frame, "s", &seen)).unwrap();
        }
    }
}
