//! Answers `ping` with `pong 1`, `pong 2`, ... and counts in a bucket.
//!
//! The same program as `pingpong`, written against `whirlwind:actor`: events
//! come and go with their CloudEvents attributes in typed fields.

use exports::whirlwind::actor::handler::{Event, Failure, Guest};
use wasi::keyvalue0_2_0_draft2::store::{self, Bucket};
use whirlwind::actor::producer::{self, EventParam, PublishError};

wit_bindgen::generate!({
    path: "../../wit",
    world: "whirlwind:actor/actor",
    generate_all,
});

struct Pingpong;

impl Guest for Pingpong {
    fn on_receive(e: Event) -> Result<(), Failure> {
        let data = String::from_utf8(e.data.unwrap_or_default()).unwrap();
        match data.as_str() {
            "ping" => {
                let bucket = store::open("default")?;
                let count = counter(&bucket)? + 1;
                set_counter(&bucket, count)?;
                producer::publish("pong", &text(format!("pong {count}")))?;
                Ok(())
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

/// An event of plain text; its other attributes are the node's to fill in.
fn text(data: String) -> EventParam {
    EventParam {
        id: None,
        source: None,
        type_: None,
        subject: None,
        time: None,
        datacontenttype: Some("text/plain".into()),
        dataschema: None,
        extensions: None,
        data: data.into_bytes(),
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

/// What the store refuses may go well another time.
impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Failure::Retry(error.to_string())
    }
}

/// So may what the node refuses to take.
impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        Failure::Retry(error.to_string())
    }
}

export!(Pingpong);
