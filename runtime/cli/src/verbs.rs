//! One verb a file. Each answers how the command ends.

mod bench;
mod build;
mod check;
mod completions;
mod dead;
mod doctor;
mod kill;
mod kv;
mod ps;
mod publish;
mod reload;
mod restart;
mod scale;
mod signals;
mod stop;
mod store;
mod sub;
mod tree;
mod up;

use std::collections::BTreeMap;

use std::time::Duration;

use whirlwind::{App, StartError, Variables};

use crate::args::{AppAt, Args, Verb};
use crate::exit::{Ended, Exit, Failure};
use crate::print::printable;
use crate::progress::Progress;

pub(crate) use bench::STAMP;

/// Does what the command line says.
pub(crate) async fn run(args: Args, progress: &Progress) -> Ended {
    args.validate()?;
    let Args { global, verb } = args;
    match verb {
        Verb::Up(up) => up::run(&global, up, progress).await,
        Verb::Build(build) => build::run(&build, progress).await,
        Verb::Check(check) => check::run(&global, &check, progress).await,
        Verb::Doctor(doctor) => doctor::run(&global, &doctor, progress).await,
        Verb::Pub(publish) => publish::run(&global, publish).await,
        Verb::Sub(subscribe) => sub::run(&global, &subscribe).await,
        Verb::Bench(bench) => bench::run(&global, &bench, progress).await,
        Verb::Ps => ps::run(&global).await,
        Verb::Tree => tree::run(&global).await,
        Verb::Dead(dead) => dead::run(&global, dead).await,
        Verb::Kv(kv) => kv::run(&global, kv).await,
        Verb::Store(store) => store::run(&global, store).await,
        Verb::Scale { scaling } => scale::run(&global, &scaling).await,
        Verb::Restart { actor } => restart::run(&global, &actor).await,
        Verb::Kill { actor } => kill::run(&global, &actor).await,
        Verb::Reload { actor, file } => reload::run(&global, &actor, file).await,
        Verb::Stop => stop::run(&global).await,
        Verb::Completions { shell } => completions::run(shell),
    }
}

/// The app that a command line names, its variables put in.
fn app(at: &AppAt) -> Result<App, Failure> {
    let given = at.variables()?;
    app_with(at, given)
}

/// The same with these variables, before those of the environment.
fn app_with(at: &AppAt, given: BTreeMap<String, String>) -> Result<App, Failure> {
    let variables = given
        .into_iter()
        .fold(Variables::from_environment(), |all, (name, value)| {
            all.with(name, value)
        });
    // It shows each place and its remedy by itself.
    App::load(&at.path, &variables).map_err(|error| Failure::new(Exit::Manifest, error.to_string()))
}

/// What it means for the command that a node does not start.
fn start_failure(error: &StartError) -> Failure {
    match error {
        StartError::Components(_) => {
            Failure::new(Exit::Component, printable_lines(&error.to_string()))
        }
        StartError::Tree(words) => gave_up(words),
        _ => Failure::failed(printable(&error.to_string())),
    }
}

fn gave_up(words: &str) -> Failure {
    Failure::new(
        Exit::GaveUp,
        format!("the root supervisor gave up: {}", printable_lines(words)),
    )
}

/// A text of several lines, each fit for a terminal.
fn printable_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(printable).collect();
    lines.join("\n")
}

/// How many instances, in words.
fn instances(number: u32) -> String {
    match number {
        1 => "1 instance".to_owned(),
        more => format!("{more} instances"),
    }
}

/// A time as a person reads it.
fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        return format!("{} ms", time.as_millis());
    }
    format!("{:.1} s", time.as_secs_f64())
}
