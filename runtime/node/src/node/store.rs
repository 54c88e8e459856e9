//! The node's store: what durable topics and their buckets lie in.

use std::path::Path;
use std::sync::Arc;

use whirlwind_bus::{Bus, Durable};
use whirlwind_store::Store;

use super::start::StartError;
use crate::app::{self, App, Backend};

/// Opens the store in `data_dir`, if `app` needs one, and puts what is in it on the bus. Answers what a person should know of it.
pub(super) async fn open(
    app: &App,
    data_dir: &Path,
    bus: &Arc<Bus>,
) -> Result<Option<String>, StartError> {
    if !app.needs_store() {
        return Ok(None);
    }
    let failed = |error: String| StartError::Store {
        path: data_dir.join(app::STORE),
        error,
    };
    let path =
        app::under(data_dir, Path::new(app::STORE)).map_err(|error| failed(error.to_string()))?;
    let subscribers = subscribers(app);
    let opening = tokio::task::spawn_blocking(move || {
        let opened = Store::open(path).map_err(|error| error.to_string())?;
        let subscribers = subscribers.iter().map(String::as_str);
        let (durable, letters) =
            Durable::open(opened.store, subscribers).map_err(|error| error.to_string())?;
        let mut notices = Vec::new();
        notices.extend(opened.set_aside.map(|aside| aside.to_string()));
        if opened.torn {
            tracing::info!(
                "the end of the store's journal was torn, as a power cut leaves it: what nobody was told of is gone"
            );
        }
        for (name, events) in durable.orphans() {
            notices.push(format!(
                "{events} events wait for `{name}`, which is not in the app any more; they stay in the store"
            ));
        }
        Ok::<_, String>((durable, letters, notices))
    });
    let opened = opening.await.map_err(|error| error.to_string()).flatten();
    let (durable, letters, notices) = opened.map_err(failed)?;
    for notice in &notices {
        tracing::error!("{notice}");
    }
    bus.open_durable(durable);
    for letter in letters {
        bus.dead_letters().restore(letter);
    }
    Ok((!notices.is_empty()).then(|| notices.join("; ")))
}

/// The names of all that may wait for events.
fn subscribers(app: &App) -> Vec<String> {
    let outboxes = app.providers.values().filter_map(|provider| {
        let messaging = matches!(provider.kind, Backend::Mqtt(_));
        messaging.then(|| crate::provider::outbox_name(&provider.name))
    });
    app.actors.keys().cloned().chain(outboxes).collect()
}

/// Brings what was committed to the disk, and lets go of the store.
pub(super) async fn close(bus: &Bus) {
    if let Some(durable) = bus.durable() {
        durable.finished().await;
        let durable = durable.clone();
        if tokio::task::spawn_blocking(move || durable.close())
            .await
            .is_err()
        {
            tracing::error!("the store was not closed in good order");
        }
    }
}
