//! Answers `ping` with `pong 1`, `pong 2`, ... and counts in a bucket.
//!
//! Written against `wasi:messaging` and `wasi:keyvalue` alone: it runs on any
//! host that serves these two.

use wasi::keyvalue::store::{self, Bucket};
use wasi::messaging::producer;
use wasi::messaging::types::{Client, Error, Message};

wit_bindgen::generate!({
    path: [
        "../../wit/deps/wasi-keyvalue-0.2.0-draft2",
        "../../wit/deps/wasi-messaging-0.2.0-draft",
    ],
    inline: "
        package example:pingpong;

        world pingpong {
            import wasi:keyvalue/store@0.2.0-draft2;
            include wasi:messaging/messaging-core@0.2.0-draft;
        }
    ",
    generate_all,
});

struct Pingpong;

impl exports::wasi::messaging::incoming_handler::Guest for Pingpong {
    fn handle(message: Message) -> Result<(), Error> {
        let data = String::from_utf8(message.data()).unwrap();
        match data.as_str() {
            "ping" => {
                let bucket = store::open("default")?;
                let count = counter(&bucket)? + 1;
                set_counter(&bucket, count)?;
                let pong = Message::new(format!("pong {count}").as_bytes());
                pong.set_content_type("text/plain");
                producer::send(&Client::connect("default")?, "pong", pong)
            }
            "reset" => {
                let bucket = store::open("default")?;
                set_counter(&bucket, 0)?;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// The counter is kept as decimal text; a bucket that never held one counts
/// from 0.
fn counter(bucket: &Bucket) -> Result<u64, store::Error> {
    let Some(value) = bucket.get("counter")? else {
        return Ok(0);
    };
    std::str::from_utf8(&value)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| store::Error::Other("the counter is not a number".into()))
}

fn set_counter(bucket: &Bucket, count: u64) -> Result<(), store::Error> {
    bucket.set("counter", count.to_string().as_bytes())
}

/// What the store refuses may go well another time: `connection` asks for the
/// message again.
impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Error::Connection(error.to_string())
    }
}

export!(Pingpong);
