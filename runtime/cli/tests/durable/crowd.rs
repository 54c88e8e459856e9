//! Many who publish at once, so that what they publish shares syncs.

use std::path::Path;
use std::sync::Arc;

use hyper::{Method, StatusCode};
use tokio::task::JoinSet;

use crate::app::App;
use crate::client::Client;
use crate::ledger::{Fate, Ledger};

/// How many events can be in flight.
const WINDOW: usize = 64;

/// Publishers at one node. They end with it, or when the ledger has no more numbers.
#[derive(Debug)]
pub struct Crowd(JoinSet<()>);

impl Crowd {
    pub fn start(socket: &Path, app: &Arc<App>, ledger: &Arc<Ledger>) -> Self {
        let publishers = (0..WINDOW).map(|_| {
            let (app, ledger) = (Arc::clone(app), Arc::clone(ledger));
            let socket = socket.to_owned();
            async move {
                // The node may have been killed already.
                if let Ok(client) = Client::connect(&socket).await {
                    publish(client, &app, &ledger).await;
                }
            }
        });
        Self(publishers.collect())
    }

    /// Waits until all of them have ended.
    pub async fn ended(self) {
        self.0.join_all().await;
    }
}

async fn publish(mut client: Client, app: &App, ledger: &Ledger) {
    let path = format!("/v1/events?topic={}", app.topic());
    while let Some(number) = ledger.offer() {
        match client.ask(Method::POST, &path, app.event(number)).await {
            Ok((StatusCode::ACCEPTED, _)) => ledger.ended(number, Fate::Acknowledged),
            Ok((StatusCode::SERVICE_UNAVAILABLE, _)) => ledger.ended(number, Fate::Refused),
            Ok((status, why)) => panic!("{status}: {why:?}"),
            Err(_) => return ledger.ended(number, Fate::Unknown),
        }
    }
}
