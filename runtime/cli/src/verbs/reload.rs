//! `reload`: a new component behind the mailbox of an actor.

use std::path::PathBuf;

use super::instances;
use crate::args::Global;
use crate::client::{Client, encoded};
use crate::exit::{Ended, Exit, Failure};
use crate::print::{self, printable};

pub(crate) async fn run(global: &Global, actor: &str, file: Option<PathBuf>) -> Ended {
    let change = match file {
        None => "reload".to_owned(),
        Some(file) => format!("reload?file={}", encoded(&absolute(file)?)),
    };
    let mut client = Client::connect(global).await?;
    let changed = client.change(actor, &change).await?;
    print::say(format_args!(
        "{} reloaded, {} replaced",
        printable(&changed.actor),
        instances(changed.instances)
    ));
    Ok(Exit::Done)
}

/// The path from the root on: the node has a folder of its own.
fn absolute(file: PathBuf) -> Result<String, Failure> {
    let absolute = std::path::absolute(&file)
        .map_err(|error| Failure::usage(format!("{} is no file: {error}", file.display())))?;
    absolute.into_os_string().into_string().map_err(|path| {
        Failure::usage(format!("{} is not UTF-8", path.display()))
            .help("give the component's file another name")
    })
}
