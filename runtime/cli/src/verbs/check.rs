//! `check`: what would fail at start, without starting.

use owo_colors::OwoColorize as _;
use whirlwind::Check as Checked;

use super::{app, start_failure};
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
    if global.json {
        // An array as every listing: of the actors, since what is said of the app is for people.
        let unwritable =
            |error| Failure::failed(format!("the answer cannot be written as JSON: {error}"));
        return print::json_line(&serde_json::to_vec(&checked.actors).map_err(unwritable)?);
    }
    print::out(&words(&checked))
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
