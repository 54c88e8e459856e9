//! Speaks for devices that are not there: at each tick one of them publishes
//! what Zigbee2MQTT would. The walk lies in the bucket, so that a new instance
//! goes on with it.
//!
//! Written against `wasi:messaging` and `wasi:keyvalue` alone.

mod walk;

use wasi::keyvalue::store;
use wasi::messaging::producer;
use wasi::messaging::types::{Client, Error, Message};

use walk::Walk;

wit_bindgen::generate!({
    path: [
        "../../../wit/deps/wasi-keyvalue-0.2.0-draft2",
        "../../../wit/deps/wasi-messaging-0.2.0-draft",
    ],
    inline: "
        package example:device-simulator;

        world device-simulator {
            import wasi:keyvalue/store@0.2.0-draft2;
            include wasi:messaging/messaging-core@0.2.0-draft;
        }
    ",
    generate_all,
});

struct Simulator;

impl exports::wasi::messaging::incoming_handler::Guest for Simulator {
    /// What comes is a tick, whatever it holds.
    fn handle(_: Message) -> Result<(), Error> {
        let bucket = store::open("default")?;
        // A walk that cannot be read is begun anew: it is only a walk.
        let mut walk: Walk = bucket
            .get("walk")?
            .and_then(|stored| serde_json::from_slice(&stored).ok())
            .unwrap_or_default();
        let (device, said) = walk.step();

        let message = Message::new(said.to_string().as_bytes());
        message.set_content_type("application/json");
        producer::send(
            &Client::connect("default")?,
            &format!("devices/{device}"),
            message,
        )?;
        let walk = serde_json::to_vec(&walk).map_err(|error| Error::Other(error.to_string()))?;
        bucket.set("walk", &walk)?;
        Ok(())
    }
}

/// What the store refuses may go well another time: `connection` asks for the
/// message again.
impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Error::Connection(error.to_string())
    }
}

export!(Simulator);
