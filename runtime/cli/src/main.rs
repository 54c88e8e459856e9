//! The command line of Whirlwind: verbs over a node in this process, and over a running one through its control socket.
//!
//! | module | holds |
//! |---|---|
//! | [`args`] | the command line: verbs, flags, what clap cannot check, and in `args::values` how values are read |
//! | [`verbs`] | one verb a file |
//! | [`client`] | the control API from the other side: finding the socket, requests, streams |
//! | [`exit`] | exit statuses, and failures with their remedy |
//! | [`print`] | standard output and error: tables, remarks, what a terminal must not see |
//! | [`show`] | how an event is printed |
//! | [`progress`] | long work, on a terminal and elsewhere |
//! | [`log`] | tracing to standard error |
//! | [`hints`] | nearest known names |
//!
//! # Errors
//!
//! A verb ends in an [`Exit`](exit::Exit) or in a [`Failure`](exit::Failure), which says what was wrong, where, and what to
//! do, and has its exit status. Only `main` prints failures. What scripts read goes to standard output, words for people to
//! standard error; a reader of standard output that goes away ends the command quietly.
//!
//! # What this crate knows nothing of
//!
//! Wasm, mailboxes, supervision and stores: it knows the node's public face and the control API.

mod args;
mod client;
mod exit;
mod hints;
mod log;
mod print;
mod progress;
mod show;
mod verbs;

use std::process::ExitCode;

use clap::Parser as _;

use crate::exit::{Ended, Failure};
use crate::progress::Progress;

/// Events are often freed on another core than the one that made them, which costs the system's allocator three times as
/// much.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    say_panics();
    let args = args::Args::parse();
    let exit = run(args).unwrap_or_else(|failure| {
        print::say(&failure);
        failure.exit()
    });
    exit.into()
}

/// A panic that is caught where it is, and told as damage of the store, is not told a second time.
fn say_panics() {
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !whirlwind::stored::is_caught() {
            say(panic);
        }
    }));
}

fn run(args: args::Args) -> Ended {
    let progress = Progress::new();
    log::init(&progress)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // Guests yield at every tick of their clock: between two looks at timers and sockets few of them should run.
        .event_interval(8)
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the runtime cannot start: {error}")))?;
    let ended = runtime.block_on(verbs::run(args, &progress));
    // A write to a standard output that nobody reads may hang for ever; the process ends without it.
    runtime.shutdown_background();
    ended
}
