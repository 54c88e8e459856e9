//! `ps`: what runs, and how it does.

use owo_colors::Style;
use whirlwind::{Part, PartState};

use crate::args::Global;
use crate::client::Client;
use crate::exit::Ended;
use crate::print::{self, Align, Cell, Table, printable};

pub(crate) async fn run(global: &Global) -> Ended {
    let mut client = Client::connect(global).await?;
    if global.json {
        return print::json_line(&client.get("/v1/parts").await?);
    }
    let parts: Vec<Part> = client.get_json("/v1/parts").await?;
    let mut table = Table::new(&[
        ("NAME", Align::Left),
        ("KIND", Align::Left),
        ("STATE", Align::Left),
        ("INSTANCES", Align::Right),
        ("MAILBOX", Align::Right),
        ("HANDLED", Align::Right),
        ("FAILED", Align::Right),
        ("RETRIED", Align::Right),
        ("RESTARTS", Align::Right),
        ("DEAD", Align::Right),
        ("DROPPED", Align::Right),
        ("GUARANTEE", Align::Left),
    ]);
    for part in &parts {
        let number = |value: Option<u64>| {
            Cell::new(value.map_or_else(|| "-".to_owned(), |value| value.to_string()))
        };
        let size = |value: Option<usize>| number(value.map(|value| value as u64));
        // What a person looks for stands out: losses and restarts.
        let loss = |value: Option<u64>, style: Style| match value {
            Some(value) if value > 0 => Cell::styled(value.to_string(), style),
            value => number(value),
        };
        let (red, yellow) = (Style::new().red(), Style::new().yellow());
        table.row(vec![
            Cell::new(printable(&part.name)),
            Cell::new(part.kind.as_str()),
            Cell::styled(part.state.as_str(), state_style(part.state)),
            size(part.instances),
            size(part.mailbox),
            number(part.handled),
            loss(part.failed, yellow),
            loss(part.retried, yellow),
            loss(part.restarts, yellow),
            loss(part.dead, red),
            loss(part.dropped, red),
            Cell::new(
                part.guarantee
                    .as_deref()
                    .map_or_else(|| "-".to_owned(), printable),
            ),
        ]);
    }
    let mut text = table.render();
    for part in &parts {
        if let Some(detail) = &part.detail {
            text.push_str(&format!(
                "{}: {}\n",
                printable(&part.name),
                printable(detail)
            ));
        }
    }
    print::out(&text)
}

/// The colour of a state.
pub(super) fn state_style(state: PartState) -> Style {
    match state {
        PartState::Running => Style::new().green(),
        PartState::Down => Style::new().red(),
        PartState::Stopped => Style::new().dimmed(),
        PartState::Starting | PartState::Restarting | PartState::Stopping => Style::new().yellow(),
    }
}
