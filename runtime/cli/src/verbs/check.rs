//! `check`: what would fail at start, without starting.

use owo_colors::OwoColorize as _;
use whirlwind::doctor::Finding;
use whirlwind::{Check as Checked, CheckedActor};

use super::{app, doctor, start_failure};
use crate::args::{Check, Global};
use crate::exit::{Ended, Failure};
use crate::print::{self, printable};
use crate::progress::Progress;

pub(crate) async fn run(global: &Global, check: &Check, progress: &Progress) -> Ended {
    let app = app(&check.app)?;
    let moving = progress.begin(format!("checking {}", app.name));
    let checked = whirlwind::check(&app, global.data_dir.as_deref()).await;
    drop(moving);
    let checked = checked.map_err(|error| start_failure(&error))?;
    for warning in &checked.warnings {
        print::note(printable(warning));
    }
    let online = match check.online {
        true => {
            let moving = progress.begin(format!("trying the brokers of {}", app.name));
            let findings = whirlwind::doctor::brokers(&app, global.data_dir.as_deref()).await;
            drop(moving);
            findings
        }
        false => Vec::new(),
    };
    let exit = doctor::exit(&online);
    if global.json {
        // An array as every listing: of the actors, since what is said of the app is for people, and then of the findings.
        let unwritable =
            |error| Failure::failed(format!("the answer cannot be written as JSON: {error}"));
        let actors = checked.actors.iter().map(Row::Actor);
        let rows: Vec<_> = actors.chain(online.iter().map(Row::Finding)).collect();
        print::json_line(&serde_json::to_vec(&rows).map_err(unwritable)?)?;
    } else {
        print::out(&words(&checked))?;
        if !online.is_empty() {
            print::out(&doctor::table(&online))?;
        } else if check.online {
            print::note("no provider of type `mqtt`, so no broker to try");
        }
    }
    Ok(exit)
}

/// An object of the JSON array.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum Row<'c> {
    Actor(&'c CheckedActor),
    Finding(&'c Finding),
}

/// A paragraph for each actor and each timer.
fn words(checked: &Checked) -> String {
    let mut text = String::new();
    for actor in &checked.actors {
        text.push_str(&format!("{}\n", printable(&actor.name).bold()));
        let mut row = |name: &str, value: &str| {
            let value = if value.is_empty() {
                "-".to_owned()
            } else {
                printable(value)
            };
            text.push_str(&format!("  {name:<10} {value}\n"));
        };
        row("handler", &actor.handler);
        row("subscribe", &actor.subscribe.join(", "));
        row("publish", &actor.publish.join(", "));
        row("links", &actor.links.join(", "));
        row("guarantee", &format!("{}: {}", actor.guarantee, actor.why));
    }
    for timer in &checked.timers {
        text.push_str(&format!("{}\n", printable(&timer.name).bold()));
        for (name, value) in [("ticks", &timer.when), ("publish", &timer.topic)] {
            text.push_str(&format!("  {name:<10} {}\n", printable(value)));
        }
    }
    let actors = if checked.actors.len() == 1 {
        "actor"
    } else {
        "actors"
    };
    text.push_str(&format!(
        "{}: {} {actors} would start; instances: {}, room for {}\n",
        "ok".green().bold(),
        checked.actors.len(),
        checked.instances,
        checked.room
    ));
    text
}
