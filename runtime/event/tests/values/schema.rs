//! The rules of the CloudEvents JSON schema, and of the naming convention beside it, as a check of
//! finished documents. The formats are judged by other parsers than those of the crate, or by
//! coarser rules, so that one mistake is not made twice.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;

/// The members that must not be empty when they are there, required ones first.
pub(crate) const TEXTS: [&str; 8] = [
    "id",
    "source",
    "specversion",
    "type",
    "datacontenttype",
    "dataschema",
    "subject",
    "time",
];

/// What in the document breaks a rule.
pub(crate) fn violations(document: &Value) -> Vec<String> {
    let Value::Object(members) = document else {
        return vec!["not an object".to_owned()];
    };
    let mut found = Vec::new();
    for name in &TEXTS[..4] {
        if !members.contains_key(*name) {
            found.push(format!("{name} is required"));
        }
    }
    if members.contains_key("data") && members.contains_key("data_base64") {
        found.push("data and data_base64 exclude each other".to_owned());
    }
    for (name, value) in members {
        let good = match (name.as_str(), value) {
            ("specversion", value) => value == "1.0",
            ("time", Value::String(text)) => is_date_time(text),
            ("source", Value::String(text)) => !text.is_empty() && is_uri_text(text),
            ("dataschema", Value::String(text)) => {
                url::Url::parse(text).is_ok() && is_uri_text(text)
            }
            ("datacontenttype", Value::String(text)) => text
                .split(';')
                .next()
                .is_some_and(|essence| essence.split('/').count() == 2),
            (name, Value::String(text)) if TEXTS.contains(&name) => !text.is_empty(),
            (name, _) if TEXTS.contains(&name) => false,
            ("data", _) => true,
            ("data_base64", Value::String(text)) => BASE64_STANDARD.decode(text).is_ok(),
            (name, value) => {
                let is_name = (1..=20).contains(&name.len())
                    && name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9'));
                let is_value = match value {
                    Value::Number(number) => {
                        number.as_i64().is_some_and(|n| i32::try_from(n).is_ok())
                    }
                    value => value.is_string() || value.is_boolean(),
                };
                is_name && is_value
            }
        };
        let controlled = name != "data"
            && value
                .as_str()
                .is_some_and(|text| text.contains(char::is_control));
        if !good || controlled {
            found.push(format!("{name} is {value}"));
        }
    }
    found
}

/// The characters of RFC 3986, without their order.
fn is_uri_text(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c))
}

/// `YYYY-MM-DDTHH:MM:SS[.fraction]Z`, which is all that is written here.
fn is_date_time(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let Some(rest) = shape.strip_prefix("0000-00-00T00:00:00") else {
        return false;
    };
    let fraction = rest.strip_suffix('Z');
    fraction.is_some_and(|f| {
        f.is_empty() || (f.starts_with('.') && f.len() > 1 && f[1..].chars().all(|c| c == '0'))
    })
}
