//! `doctor`: what the machine and the manifest need, and the remedy for each fault.

use std::path::Path;

use owo_colors::Style;
use whirlwind::doctor::{Finding, Health};
use whirlwind::manifest::FILE_NAME;
use whirlwind::{App, StartError};

use super::app;
use super::build::{TARGET, clean};
use crate::args::{Doctor, Global};
use crate::exit::{Ended, Exit, Failure};
use crate::print::{self, Align, Cell, Table, printable};
use crate::progress::Progress;

pub(crate) async fn run(global: &Global, doctor: &Doctor, progress: &Progress) -> Ended {
    let path = &doctor.app.path;
    let data_dir = global.data_dir.as_deref();
    let without = path.is_dir() && path.join(FILE_NAME).symlink_metadata().is_err();
    let (findings, exit) = if without {
        print::note(format!(
            "there is no {FILE_NAME} in {}, so only the machine is looked at",
            printable(&path.display().to_string())
        ));
        let mut findings = vec![target(path, Wanted::Perhaps).await];
        findings.extend(whirlwind::doctor::machine(data_dir));
        let exit = exit(&findings);
        (findings, exit)
    } else {
        of_app(&app(&doctor.app)?, data_dir, progress).await
    };
    if global.json {
        let unwritable =
            |error| Failure::failed(format!("the answer cannot be written as JSON: {error}"));
        print::json_line(&serde_json::to_vec(&findings).map_err(unwritable)?)?;
    } else {
        print::out(&table(&findings))?;
    }
    print::say(summary(&findings));
    Ok(exit)
}

async fn of_app(app: &App, data_dir: Option<&Path>, progress: &Progress) -> (Vec<Finding>, Exit) {
    let moving = progress.begin(format!("looking at {}", app.name));
    let mut findings = Vec::new();
    let mut builds = app.actors.values().filter_map(|actor| actor.build.as_ref());
    if builds.any(|command| command.contains(TARGET)) {
        let wanted = match app.missing_components().is_empty() {
            true => Wanted::Later,
            false => Wanted::Now,
        };
        findings.push(target(&app.folder, wanted).await);
    }
    // Before the components: what they take is not counted twice.
    let around = whirlwind::doctor::doctor(app, data_dir).await;
    let usable = !around
        .iter()
        .any(|finding| finding.check == "data-dir" && finding.state == Health::Fault);
    let mut unfit = false;
    if usable {
        let (components, do_not_fit) = components(app, data_dir).await;
        findings.extend(components);
        unfit = do_not_fit;
    }
    findings.extend(around);
    drop(moving);
    let exit = match unfit {
        true => Exit::Component,
        false => exit(&findings),
    };
    (findings, exit)
}

/// What `check` says of the components, and whether one of them is missing or does not fit.
async fn components(app: &App, data_dir: Option<&Path>) -> (Vec<Finding>, bool) {
    match whirlwind::check(app, data_dir).await {
        Ok(checked) => {
            let actors = checked.actors.iter().map(|actor| {
                Finding::ok("component", &actor.name, format!("fits: {}", actor.handler))
            });
            let warnings = checked.warnings.iter().map(|warning| {
                Finding::ok("app", &app.name, warning).warning("correct the manifest")
            });
            (actors.chain(warnings).collect(), false)
        }
        Err(StartError::Components(errors)) => {
            let faults = errors.iter().map(|error| {
                let finding = Finding::ok("component", &app.name, error.to_string());
                finding.fault("build or correct it, then see `whirlwind check`")
            });
            (faults.collect(), true)
        }
        // Found by another look, which has its remedy.
        Err(StartError::NoRoom(_)) => (Vec::new(), false),
        Err(error) => {
            let finding = Finding::ok("app", &app.name, error.to_string());
            (vec![finding.fault("see `whirlwind check`")], false)
        }
    }
}

/// When the target for guests is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// A component is missing.
    Now,
    /// The components are there.
    Later,
    /// Nothing is known.
    Perhaps,
}

/// Whether the toolchain that builds in `folder` has the target for guests.
async fn target(folder: &Path, wanted: Wanted) -> Finding {
    let mut rustc = clean("rustc");
    rustc
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(folder);
    let libraries = rustc.output().await.ok();
    let there = libraries.map(|output| {
        let path = String::from_utf8_lossy(&output.stdout);
        output.status.success() && Path::new(path.trim()).is_dir()
    });
    judge_target(there, wanted)
}

/// Judges the target: none where there is no rustc.
fn judge_target(there: Option<bool>, wanted: Wanted) -> Finding {
    let (message, remedy) = match there {
        Some(true) => return Finding::ok("target", TARGET, "present"),
        Some(false) => (
            "not present".to_owned(),
            format!("rustup target add {TARGET}"),
        ),
        None => (
            "rustc cannot be run".to_owned(),
            format!("install Rust (https://rustup.rs), then: rustup target add {TARGET}"),
        ),
    };
    let but = match wanted {
        Wanted::Now => return Finding::ok("target", TARGET, message).fault(remedy),
        Wanted::Later => "the components are there, and cannot be built again",
        Wanted::Perhaps => "only needed to build actors",
    };
    Finding::ok("target", TARGET, format!("{message}: {but}")).warning(remedy)
}

/// The status that findings end with.
pub(super) fn exit(findings: &[Finding]) -> Exit {
    match findings.iter().any(|found| found.state == Health::Fault) {
        true => Exit::Failed,
        false => Exit::Done,
    }
}

/// A line for each finding.
pub(super) fn table(findings: &[Finding]) -> String {
    let mut table = Table::new(&[
        ("STATE", Align::Left),
        ("CHECK", Align::Left),
        ("ABOUT", Align::Left),
        ("FOUND", Align::Left),
    ]);
    for finding in findings {
        let style = match finding.state {
            Health::Ok => Style::new().green(),
            Health::Warning => Style::new().yellow(),
            Health::Fault => Style::new().red(),
        };
        let mut found = printable(&finding.message);
        if let Some(remedy) = &finding.remedy {
            found.push_str("; remedy: ");
            found.push_str(&printable(remedy));
        }
        table.row(vec![
            Cell::styled(finding.state.as_str(), style),
            Cell::new(printable(&finding.check)),
            Cell::new(printable(&finding.about)),
            Cell::new(found),
        ]);
    }
    table.render()
}

fn summary(findings: &[Finding]) -> String {
    let count = |state, one: &str| {
        let number = findings.iter().filter(|found| found.state == state).count();
        match number {
            0 => format!("no {one}"),
            1 => format!("1 {one}"),
            more => format!("{more} {one}s"),
        }
    };
    format!(
        "{}, {}",
        count(Health::Fault, "fault"),
        count(Health::Warning, "warning")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_target_is_a_fault_only_where_something_is_to_be_built() {
        let state = |there, wanted| judge_target(there, wanted).state;
        assert_eq!(state(Some(true), Wanted::Now), Health::Ok);
        assert_eq!(state(Some(false), Wanted::Now), Health::Fault);
        assert_eq!(state(None, Wanted::Now), Health::Fault);
        assert_eq!(state(Some(false), Wanted::Later), Health::Warning);
        assert_eq!(state(None, Wanted::Perhaps), Health::Warning);
        let remedy = judge_target(Some(false), Wanted::Now).remedy.unwrap();
        assert_eq!(remedy, "rustup target add wasm32-wasip2");
    }
}
