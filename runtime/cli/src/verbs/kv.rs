//! `kv`: a look into a bucket of the running node.

use std::io::IsTerminal as _;

use whirlwind::control::KeyPage;

use super::publish::read_input;
use crate::args::{Bucket, Global, Kv};
use crate::client::{Client, encoded};
use crate::exit::{Ended, Exit, Failure};
use crate::print::{self, Reader, printable};

pub(crate) async fn run(global: &Global, kv: Kv) -> Ended {
    match kv {
        Kv::Get { bucket, key } => {
            let value = Client::connect(global)
                .await?
                .get(&value_path(&bucket.bucket, &key))
                .await?;
            // For a program the bytes as they are; for a person what can be read, on a line of its own.
            if !std::io::stdout().is_terminal() {
                return print::out_bytes(&value);
            }
            match std::str::from_utf8(&value) {
                Ok(text) => print::out(&format!("{}\n", printable(text))),
                Err(_) => print::out(&format!(
                    "({} bytes, not UTF-8; pipe them to see them)\n",
                    value.len()
                )),
            }
        }
        Kv::Set {
            bucket,
            key,
            value,
            file,
        } => {
            let value = match (value, file) {
                (Some(text), _) => text.into_bytes(),
                (None, Some(path)) => read_input(&path).await?,
                (None, None) => {
                    return Err(
                        Failure::usage("there is no value").help("give a VALUE or --file PATH")
                    );
                }
            };
            Client::connect(global)
                .await?
                .put(&value_path(&bucket.bucket, &key), value)
                .await?;
            Ok(Exit::Done)
        }
        Kv::List { bucket } => list(global, &bucket.bucket).await,
        Kv::Delete { bucket, key } => {
            Client::connect(global)
                .await?
                .delete(&value_path(&bucket.bucket, &key))
                .await?;
            Ok(Exit::Done)
        }
    }
}

/// Prints page after page; as JSON all keys in one array, of which therefore all are held.
async fn list(global: &Global, bucket: &Bucket) -> Ended {
    let mut client = Client::connect(global).await?;
    let path = format!(
        "/v1/kv/{}/{}",
        encoded(&bucket.provider),
        encoded(&bucket.name)
    );
    let mut cursor: Option<String> = None;
    let mut all = Vec::new();
    loop {
        let query = cursor
            .as_deref()
            .map(|key| format!("?cursor={}", encoded(key)))
            .unwrap_or_default();
        let page: KeyPage = client.get_json(&format!("{path}{query}")).await?;
        if global.json {
            all.extend(page.keys);
        } else {
            let lines: String = page
                .keys
                .iter()
                .map(|key| format!("{}\n", printable(key)))
                .collect();
            if print::lines(&lines)? == Reader::Gone {
                break;
            }
        }
        match page.cursor {
            // A cursor that stands still would go on for ever.
            Some(next) if cursor.as_ref() != Some(&next) => cursor = Some(next),
            _ => break,
        }
    }
    if !global.json {
        return Ok(Exit::Done);
    }
    let unwritable =
        |error| Failure::failed(format!("the keys cannot be written as JSON: {error}"));
    print::json_line(&serde_json::to_vec(&all).map_err(unwritable)?)
}

fn value_path(bucket: &Bucket, key: &str) -> String {
    format!(
        "/v1/kv/{}/{}/value?key={}",
        encoded(&bucket.provider),
        encoded(&bucket.name),
        encoded(key)
    )
}
