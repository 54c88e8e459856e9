//! `scale`: more or fewer instances of an actor.

use super::instances;
use crate::args::{Global, Scaling};
use crate::client::Client;
use crate::exit::{Ended, Exit};
use crate::print::{self, printable};

pub(crate) async fn run(global: &Global, scaling: &Scaling) -> Ended {
    let mut client = Client::connect(global).await?;
    let change = format!("scale?instances={}", scaling.instances);
    let changed = client.change(&scaling.actor, &change).await?;
    print::say(format_args!(
        "{} has {}",
        printable(&changed.actor),
        instances(changed.instances)
    ));
    Ok(Exit::Done)
}
