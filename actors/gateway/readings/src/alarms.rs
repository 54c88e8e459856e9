//! Which alarms of a device are raised.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::quantity::{Quantity, Value};
use crate::report::Reading;
use crate::settings::{Settings, Threshold};

/// What is remembered of a device's alarms.
///
/// What a handler writes into a bucket is there at once, and what it publishes
/// leaves once it has returned. A handler that fails between the two gets the
/// same message again, and must then say what it has said to nobody. So the
/// message that changed something is remembered with what was so before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarms {
    /// The names of the thresholds that are crossed.
    pub raised: BTreeSet<String>,
    /// The same before `message` came.
    #[serde(default)]
    before: BTreeSet<String>,
    /// The id of the message that changed something last.
    #[serde(default)]
    message: Option<String>,
}

/// An alarm that is raised, or cleared.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The name of the threshold: `temperature_max`.
    pub alarm: String,
    /// Whether it is raised now.
    pub raised: bool,
    /// The quantity that crossed it.
    pub quantity: Quantity,
    /// The value, as it is published.
    pub value: Value,
    /// The threshold; none for one that the settings no longer have, whose
    /// alarm is cleared.
    pub threshold: Option<Threshold>,
}

impl Alarms {
    /// Takes in what a message says, and tells what that changes: each alarm is
    /// raised once and cleared once. The values are those to be published.
    pub fn judge(
        &mut self,
        message: Option<&str>,
        readings: &[Reading],
        settings: &Settings,
    ) -> Vec<Change> {
        let again = message.is_some() && message == self.message.as_deref();
        let before = if again { &self.before } else { &self.raised };
        let mut raised = before.clone();
        let mut changes = Vec::new();
        for Reading { quantity, value } in readings {
            for rule in ["max", "min", "alarm"] {
                let alarm = format!("{}_{rule}", quantity.name);
                let threshold = settings.threshold(&alarm);
                let was = before.contains(&alarm);
                let is = threshold.is_some_and(|threshold| {
                    threshold.raised(*value, was, settings.hysteresis(quantity))
                });
                if was == is {
                    continue;
                }
                if is {
                    raised.insert(alarm.clone());
                } else {
                    raised.remove(&alarm);
                }
                changes.push(Change {
                    alarm,
                    raised: is,
                    quantity: *quantity,
                    value: *value,
                    threshold,
                });
            }
        }
        if !changes.is_empty() {
            *self = Self {
                before: before.clone(),
                raised,
                message: message.map(str::to_owned),
            };
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reading(name: &str, value: Value) -> Reading {
        let quantity = Quantity::named(name).unwrap();
        Reading { quantity, value }
    }

    fn temperatures(
        alarms: &mut Alarms,
        settings: &Settings,
        values: &[f64],
    ) -> Vec<(String, bool, f64)> {
        let mut said = Vec::new();
        for value in values {
            let reading = reading("temperature", Value::Number(*value));
            for change in alarms.judge(None, &[reading], settings) {
                said.push((change.alarm, change.raised, *value));
            }
        }
        said
    }

    fn settings(pairs: &[(&'static str, &'static str)]) -> Settings {
        Settings::read(pairs.iter().copied()).unwrap()
    }

    #[test]
    fn an_alarm_is_raised_once_and_cleared_once() {
        let settings = settings(&[("temperature_max", "30"), ("temperature_hysteresis", "1")]);
        let mut alarms = Alarms::default();
        let values = [
            29.0, 30.0, 30.1, 31.0, 29.5, 30.2, 29.1, 29.0, 29.5, 30.0, 35.0, 20.0,
        ];
        assert_eq!(
            temperatures(&mut alarms, &settings, &values),
            [
                ("temperature_max".into(), true, 30.1),
                ("temperature_max".into(), false, 29.0),
                ("temperature_max".into(), true, 35.0),
                ("temperature_max".into(), false, 20.0),
            ]
        );
        assert_eq!(alarms.raised, BTreeSet::new());
    }

    #[test]
    fn both_thresholds_of_a_quantity_can_be_crossed_in_one_step() {
        let settings = settings(&[("temperature_max", "30"), ("temperature_min", "5")]);
        let mut alarms = Alarms::default();
        assert_eq!(
            temperatures(&mut alarms, &settings, &[31.0, 4.0, 5.0]),
            [
                ("temperature_max".into(), true, 31.0),
                ("temperature_max".into(), false, 4.0),
                ("temperature_min".into(), true, 4.0),
                ("temperature_min".into(), false, 5.0),
            ]
        );
    }

    #[test]
    fn a_flag_raises_while_it_is_what_the_settings_say() {
        let settings = settings(&[("available_alarm", "false")]);
        let mut alarms = Alarms::default();
        let mut said = Vec::new();
        for flag in [true, false, false, true] {
            let reading = reading("available", Value::Flag(flag));
            said.extend(
                alarms
                    .judge(None, &[reading], &settings)
                    .iter()
                    .map(|c| c.raised),
            );
        }
        assert_eq!(said, [true, false]);
    }

    #[test]
    fn the_same_message_again_says_the_same_again() {
        let settings = settings(&[("temperature_max", "30")]);
        let hot = [reading("temperature", Value::Number(31.0))];
        let mut alarms = Alarms::default();
        let said = alarms.judge(Some("1"), &hot, &settings);
        let state = alarms.clone();
        assert_eq!(alarms.judge(Some("1"), &hot, &settings), said);
        assert_eq!(alarms, state);
        assert_eq!(alarms.judge(Some("2"), &hot, &settings), []);
        assert_eq!(alarms, state);
    }

    #[test]
    fn an_alarm_whose_threshold_is_gone_is_cleared() {
        let mut alarms = Alarms::default();
        temperatures(
            &mut alarms,
            &settings(&[("temperature_max", "30")]),
            &[31.0],
        );
        let hot = [reading("temperature", Value::Number(31.0))];
        let changes = alarms.judge(None, &hot, &Settings::default());
        let [
            Change {
                raised: false,
                threshold: None,
                ..
            },
        ] = &changes[..]
        else {
            panic!("{changes:?}")
        };
    }

    #[test]
    fn a_quantity_that_a_message_does_not_have_keeps_its_alarm() {
        let settings = settings(&[("temperature_max", "30")]);
        let mut alarms = Alarms::default();
        temperatures(&mut alarms, &settings, &[31.0]);
        assert_eq!(
            alarms.judge(None, &[reading("battery", Value::Number(1.0))], &settings),
            []
        );
        assert!(alarms.raised.contains("temperature_max"));
    }

    proptest! {
        /// The model: a state machine of one bit, whose two edges are apart.
        #[test]
        fn raised_and_cleared_take_turns_as_the_model_says(
            values in proptest::collection::vec(0i32..400, 1..60),
            hysteresis in 0i32..60,
            leave in any::<bool>(),
        ) {
            let text = format!("{}", f64::from(hysteresis) / 10.0);
            let settings = Settings::read([("temperature_max", "30"), ("temperature_hysteresis", &*text)]).unwrap();
            let mut alarms = Alarms::default();
            let mut model = false;
            for (number, tenths) in values.into_iter().enumerate() {
                let value = f64::from(tenths) / 10.0;
                let reading = [reading("temperature", Value::Number(value))];
                let id = number.to_string();
                let said: Vec<bool> = alarms.judge(Some(&id), &reading, &settings).iter().map(|c| c.raised).collect();
                // What is forgotten by the instance is in the bucket.
                alarms = serde_json::from_slice(&serde_json::to_vec(&alarms).unwrap()).unwrap();
                if leave {
                    let again: Vec<bool> = alarms.judge(Some(&id), &reading, &settings).iter().map(|c| c.raised).collect();
                    prop_assert_eq!(&again, &said);
                }
                let next = match model {
                    false => value > 30.0,
                    true => value > 30.0 - f64::from(hysteresis) / 10.0,
                };
                let expected = if next == model { vec![] } else { vec![next] };
                prop_assert_eq!(said, expected);
                model = next;
                prop_assert_eq!(alarms.raised.contains("temperature_max"), model);
            }
        }
    }
}
