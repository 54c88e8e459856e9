//! Takes in what Zigbee2MQTT says about devices and publishes each value on its
//! own topic, and alarms where one crosses a threshold. What it does is in
//! `readings`; here is what reaches outside.
//!
//! Written against `wasi:messaging`, `wasi:keyvalue`, `wasi:config` and
//! `wasi:logging` alone: it runs on any host that serves these four.

use readings::report::Report;
use readings::settings::Settings;
use readings::turn::{self, Stored};
use wasi::config::store as config;
use wasi::keyvalue::store;
use wasi::logging::logging::{self, Level};
use wasi::messaging::producer;
use wasi::messaging::types::{Client, Error, Message};

wit_bindgen::generate!({
    path: [
        "../../wit/deps/wasi-config-0.2.0-rc.1",
        "../../wit/deps/wasi-keyvalue-0.2.0-draft2",
        "../../wit/deps/wasi-logging-0.1.0-draft",
        "../../wit/deps/wasi-messaging-0.2.0-draft",
    ],
    inline: "
        package example:gateway;

        world gateway {
            import wasi:config/store@0.2.0-rc.1;
            import wasi:keyvalue/store@0.2.0-draft2;
            import wasi:logging/logging@0.1.0-draft;
            include wasi:messaging/messaging-core@0.2.0-draft;
        }
    ",
    generate_all,
});

struct Gateway;

impl exports::wasi::messaging::incoming_handler::Guest for Gateway {
    fn handle(message: Message) -> Result<(), Error> {
        let settings = settings()?;
        let topic = message.topic().unwrap_or_default();
        let report = Report::read(&topic, &message.data())
            .map_err(|rejection| Error::Other(rejection.to_string()))?;

        let bucket = store::open("default")?;
        let stored = Stored {
            values: bucket.get(&turn::values_key(&report.device))?,
            alarms: bucket.get(&turn::alarms_key(&report.device))?,
        };
        let turn = turn::turn(&report, id(&message).as_deref(), &stored, &settings);
        for key in &turn.unreadable {
            let text = format!("what {key} holds cannot be read: it starts anew");
            logging::log(Level::Warn, "gateway", &text);
        }

        let client = Client::connect("default")?;
        for (topic, data) in &turn.publish {
            let message = Message::new(data);
            message.set_content_type("application/json");
            producer::send(&client, topic, message)?;
        }
        for (key, value) in &turn.write {
            bucket.set(key, value)?;
        }
        Ok(())
    }
}

/// What the manifest says; a mistake there is one in every message.
fn settings() -> Result<Settings, Error> {
    let pairs = config::get_all().map_err(|error| Error::Connection(error.to_string()))?;
    let pairs = pairs.iter().map(|(name, text)| (&**name, &**text));
    Settings::read(pairs).map_err(Error::Other)
}

/// The CloudEvents id, by which a message that comes again is known.
fn id(message: &Message) -> Option<String> {
    let metadata = message.metadata().unwrap_or_default();
    metadata
        .into_iter()
        .find(|(name, _)| name == "id")
        .map(|(_, id)| id)
}

/// What the store refuses may go well another time: `connection` asks for the
/// message again.
impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Error::Connection(error.to_string())
    }
}

export!(Gateway);
