//! `stop`: ends a running node in good order.

use hyper::Method;
use whirlwind::control::About;

use crate::args::Global;
use crate::client::Client;
use crate::exit::{Ended, Exit};
use crate::print;

pub(crate) async fn run(global: &Global) -> Ended {
    let mut client = Client::connect(global).await?;
    let node: About = client.get_json("/v1/node").await?;
    let app = print::printable(&node.app);
    print::say(format_args!(
        "stopping {app}: it empties its mailboxes first"
    ));
    let mut lines = client.stream(Method::POST, "/v1/stop").await?;
    // The stream lasts as long as the node; what it says meanwhile is for later versions.
    while lines.next().await.is_some() {}
    print::say(format_args!("{app} stopped"));
    Ok(Exit::Done)
}
