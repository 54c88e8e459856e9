//! What becomes of one report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::alarms::{Alarms, Change};
use crate::quantity::Value;
use crate::report::{Reading, Report};
use crate::settings::Settings;

/// Where alarms are published.
pub const ALARMS: &str = "alarms";

/// What a report leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// Topics and the JSON to publish on them, in order.
    pub publish: Vec<(String, Vec<u8>)>,
    /// Keys and the JSON to write under them, in order.
    pub write: Vec<(String, Vec<u8>)>,
    /// The keys that held something else than what is written there, and start
    /// anew.
    pub unreadable: Vec<String>,
}

/// What the bucket holds of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Under [`values_key`].
    pub values: Option<Vec<u8>>,
    /// Under [`alarms_key`].
    pub alarms: Option<Vec<u8>>,
}

/// The key of a device's last values.
pub fn values_key(device: &str) -> String {
    format!("values/{device}")
}

/// The key of a device's alarms.
pub fn alarms_key(device: &str) -> String {
    format!("alarms/{device}")
}

/// The last value of a quantity.
#[derive(Serialize, Deserialize)]
struct Last {
    value: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
}

/// What is published for one quantity.
#[derive(Serialize)]
struct Published<'a> {
    device: &'a str,
    quantity: &'a str,
    value: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
}

/// What is published for one change of an alarm.
#[derive(Serialize)]
struct Alarm<'a> {
    device: &'a str,
    alarm: &'a str,
    state: &'a str,
    quantity: &'a str,
    value: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
}

/// Works out what a report leads to. `message` is the id of the message it came
/// in, if it has one.
pub fn turn(report: &Report, message: Option<&str>, stored: &Stored, settings: &Settings) -> Turn {
    let mut turn = Turn::default();
    if report.readings.is_empty() {
        return turn;
    }
    let device = report.device.as_str();
    let (values_key, alarms_key) = (values_key(device), alarms_key(device));
    let mut values: BTreeMap<String, Last> = turn.read(&values_key, stored.values.as_deref());
    let mut alarms: Alarms = turn.read(&alarms_key, stored.alarms.as_deref());

    let readings: Vec<Reading> = report
        .readings
        .iter()
        .map(|Reading { quantity, value }| Reading {
            quantity: *quantity,
            value: quantity.convert(*value, settings.temperature),
        })
        .collect();
    for Reading { quantity, value } in &readings {
        let unit = quantity.unit(settings.temperature);
        turn.publish(
            format!("readings/{device}/{}", quantity.name),
            &Published {
                device,
                quantity: quantity.name,
                value: *value,
                unit,
            },
        );
        let last = Last {
            value: *value,
            unit: unit.map(str::to_owned),
        };
        values.insert(quantity.name.into(), last);
    }
    turn.write(values_key, &values);

    let changes = alarms.judge(message, &readings, settings);
    for change in &changes {
        turn.announce(device, change, settings);
    }
    if !changes.is_empty() {
        turn.write(alarms_key, &alarms);
    }
    turn
}

impl Turn {
    fn announce(&mut self, device: &str, change: &Change, settings: &Settings) {
        let alarm = Alarm {
            device,
            alarm: &change.alarm,
            state: if change.raised { "raised" } else { "cleared" },
            quantity: change.quantity.name,
            value: change.value,
            threshold: change.threshold.map(|threshold| threshold.value()),
            unit: change.quantity.unit(settings.temperature),
        };
        self.publish(ALARMS.into(), &alarm);
    }

    fn publish(&mut self, topic: String, what: &impl Serialize) {
        self.publish.push((topic, json(what)));
    }

    fn write(&mut self, key: String, what: &impl Serialize) {
        self.write.push((key, json(what)));
    }

    /// What a key holds. What cannot be read is not worth standing still for:
    /// the next values are on their way.
    fn read<T: Default + for<'de> Deserialize<'de>>(
        &mut self,
        key: &str,
        stored: Option<&[u8]>,
    ) -> T {
        let Some(stored) = stored else {
            return T::default();
        };
        serde_json::from_slice(stored).unwrap_or_else(|_| {
            self.unreadable.push(key.into());
            T::default()
        })
    }
}

/// Maps with texts as keys, and finite numbers: nothing that JSON cannot hold.
fn json(what: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(what).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::read([
            ("unit", "F"),
            ("temperature_max", "86"),
            ("battery_min", "15"),
        ])
        .unwrap()
    }

    fn texts(pairs: &[(String, Vec<u8>)]) -> Vec<(&str, &str)> {
        pairs
            .iter()
            .map(|(name, data)| (name.as_str(), std::str::from_utf8(data).unwrap()))
            .collect()
    }

    fn report(data: &str) -> Report {
        Report::read("sensors/cellar/raw", data.as_bytes()).unwrap()
    }

    #[test]
    fn a_report_becomes_readings_alarms_and_what_is_remembered() {
        let first = report(r#"{"temperature":31.5,"contact":false}"#);
        let first = turn(&first, Some("1"), &Stored::default(), &settings());
        assert_eq!(
            texts(&first.publish),
            [
                (
                    "readings/cellar/temperature",
                    r#"{"device":"cellar","quantity":"temperature","value":88.7,"unit":"F"}"#
                ),
                (
                    "readings/cellar/contact",
                    r#"{"device":"cellar","quantity":"contact","value":false}"#
                ),
                (
                    "alarms",
                    r#"{"device":"cellar","alarm":"temperature_max","state":"raised","quantity":"temperature","value":88.7,"threshold":86,"unit":"F"}"#
                ),
            ]
        );
        assert_eq!(
            texts(&first.write),
            [
                (
                    "values/cellar",
                    r#"{"contact":{"value":false},"temperature":{"value":88.7,"unit":"F"}}"#
                ),
                (
                    "alarms/cellar",
                    r#"{"raised":["temperature_max"],"before":[],"message":"1"}"#
                ),
            ]
        );

        // The next one adds to the values, and writes no alarm that did not change.
        let stored = Stored {
            values: Some(first.write[0].1.clone()),
            alarms: Some(first.write[1].1.clone()),
        };
        let second = turn(
            &report(r#"{"battery":90}"#),
            Some("2"),
            &stored,
            &settings(),
        );
        assert_eq!(
            texts(&second.write),
            [(
                "values/cellar",
                r#"{"battery":{"value":90,"unit":"%"},"contact":{"value":false},"temperature":{"value":88.7,"unit":"F"}}"#
            )]
        );
        assert_eq!(second.publish.len(), 1);
        assert!(second.unreadable.is_empty());

        // Delivered again, the first message leads to the same as before.
        let again = report(r#"{"temperature":31.5,"contact":false}"#);
        assert_eq!(turn(&again, Some("1"), &stored, &settings()), first);
    }

    #[test]
    fn a_report_without_a_value_leads_to_nothing() {
        let turn = turn(
            &report(r#"{"battery":null}"#),
            None,
            &Stored::default(),
            &settings(),
        );
        assert_eq!(turn, Turn::default());
    }

    #[test]
    fn a_bucket_that_holds_something_else_is_said_and_begun_anew() {
        let stored = Stored {
            values: Some(b"\xff".to_vec()),
            alarms: Some(b"[]".to_vec()),
        };
        let turn = turn(&report(r#"{"battery":5}"#), None, &stored, &settings());
        assert_eq!(turn.unreadable, ["values/cellar", "alarms/cellar"]);
        assert_eq!(turn.publish.len(), 2);
        assert_eq!(turn.write.len(), 2);
    }
}
