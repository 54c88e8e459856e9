//! `restart`: an orderly stop and start of an actor.

use crate::args::Global;
use crate::client::Client;
use crate::exit::{Ended, Exit};
use crate::print::{self, printable};

pub(crate) async fn run(global: &Global, actor: &str) -> Ended {
    let mut client = Client::connect(global).await?;
    let changed = client.change(actor, "restart").await?;
    print::say(format_args!("{} restarted", printable(&changed.actor)));
    Ok(Exit::Done)
}
