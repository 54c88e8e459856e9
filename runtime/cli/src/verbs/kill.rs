//! `kill`: harm to an actor, to see it heal.

use super::instances;
use crate::args::Global;
use crate::client::Client;
use crate::exit::{Ended, Exit};
use crate::print::{self, printable};

pub(crate) async fn run(global: &Global, actor: &str) -> Ended {
    let mut client = Client::connect(global).await?;
    let changed = client.change(actor, "kill").await?;
    print::say(format_args!(
        "{} killed, with {}; what follows is its supervisor's to decide",
        printable(&changed.actor),
        instances(changed.instances)
    ));
    Ok(Exit::Done)
}
