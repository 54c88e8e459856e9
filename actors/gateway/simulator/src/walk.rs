//! Three devices that are not there.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The names begin with `sim-`, so that nobody takes them for real ones on a
/// broker that has both.
pub const DEVICES: [&str; 3] = ["sim-greenhouse", "sim-cellar", "sim-door"];

/// Ticks until the greenhouse has been cold and hot once: ten seconds, at four
/// a second.
pub const ROUND: u64 = 40;

/// The ticks of a round in which the sun shines.
const SUN: std::ops::Range<u64> = 8..24;

/// How things stand. It is all there is to know: who reads it goes on as if
/// nothing had been.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Walk {
    tick: u64,
    random: u64,
    greenhouse: Climate,
    cellar: Climate,
    door: Door,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Climate {
    temperature: f64,
    humidity: f64,
    battery: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Door {
    closed: bool,
    battery: f64,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            tick: 0,
            random: 0x5eed,
            greenhouse: Climate {
                temperature: 24.0,
                humidity: 65.0,
                battery: 90.0,
            },
            cellar: Climate {
                temperature: 11.0,
                humidity: 78.0,
                battery: 17.0,
            },
            door: Door {
                closed: true,
                battery: 70.0,
            },
        }
    }
}

impl Walk {
    /// One step: the devices speak in turn. Answers with the one whose turn it
    /// is, and with what Zigbee2MQTT would publish for it.
    pub fn step(&mut self) -> (&'static str, Value) {
        let tick = self.tick;
        self.tick = tick.wrapping_add(1);
        let linkquality = 120 + (self.noise() * 40.0).round() as i64;
        // The remainder is one of the three.
        match tick % 3 {
            0 => {
                let sun = SUN.contains(&(tick % ROUND));
                let (temperature, humidity) = if sun { (36.0, 45.0) } else { (24.0, 65.0) };
                let noise = [self.noise(), self.noise()];
                let said = self
                    .greenhouse
                    .step(temperature, humidity, noise, linkquality);
                (DEVICES[0], said)
            }
            1 => {
                let noise = [self.noise(), self.noise()];
                let said = self.cellar.step(11.0, 78.0, noise, linkquality);
                (DEVICES[1], said)
            }
            _ => {
                if self.noise() > 0.5 {
                    self.door.closed = !self.door.closed;
                }
                self.door.battery = drained(self.door.battery);
                let said = json!({
                    "battery": self.door.battery.round() as i64,
                    "contact": self.door.closed,
                    "linkquality": linkquality,
                });
                (DEVICES[2], said)
            }
        }
    }

    /// From -1 to 1: the generator is SplitMix64.
    fn noise(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        // 53 bits are what a number holds exactly.
        (bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

impl Climate {
    /// Goes nearly half the way to where things tend, and a little astray.
    fn step(
        &mut self,
        temperature: f64,
        humidity: f64,
        noise: [f64; 2],
        linkquality: i64,
    ) -> Value {
        let [astray, drier] = noise;
        self.temperature += (temperature - self.temperature) * 0.4 + astray * 0.4;
        self.humidity += (humidity - self.humidity) * 0.4 + drier * 1.5;
        self.humidity = self.humidity.clamp(0.0, 100.0);
        self.battery = drained(self.battery);
        json!({
            "battery": self.battery.round() as i64,
            "humidity": hundredths(self.humidity),
            "linkquality": linkquality,
            "temperature": hundredths(self.temperature),
        })
    }
}

/// A battery lasts minutes here; at 5 % somebody puts in another.
fn drained(battery: f64) -> f64 {
    if battery <= 5.0 { 100.0 } else { battery - 0.3 }
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use readings::report::Report;
    use readings::settings::Settings;
    use readings::turn::{self, ALARMS, Stored};

    use super::*;

    fn said(walk: &mut Walk, steps: u64) -> Vec<(&'static str, String)> {
        (0..steps)
            .map(|_| walk.step())
            .map(|(device, said)| (device, said.to_string()))
            .collect()
    }

    #[test]
    fn the_walk_is_the_same_each_time() {
        assert_eq!(
            said(&mut Walk::default(), 200),
            said(&mut Walk::default(), 200)
        );
    }

    #[test]
    fn an_instance_goes_on_where_the_last_one_was() {
        let (mut whole, mut parts) = (Walk::default(), Walk::default());
        let mut seen = Vec::new();
        for _ in 0..50 {
            seen.extend(said(&mut parts, 3));
            parts = serde_json::from_slice(&serde_json::to_vec(&parts).unwrap()).unwrap();
        }
        assert_eq!(seen, said(&mut whole, 150));
    }

    #[test]
    fn the_gateway_understands_all_that_is_said() {
        let mut walk = Walk::default();
        for (device, said) in said(&mut walk, 20_000) {
            let report = Report::read(&format!("sensors/{device}/raw"), said.as_bytes()).unwrap();
            assert!(report.readings.len() >= 3, "{said}");
        }
    }

    /// With the settings of the manifest, written out again here.
    #[test]
    fn each_round_the_greenhouse_raises_its_alarm_and_clears_it() {
        let settings = Settings::read([
            ("unit", "C"),
            ("temperature_max", "30"),
            ("temperature_hysteresis", "2"),
            ("battery_min", "15"),
            ("battery_hysteresis", "5"),
        ])
        .unwrap();
        let mut walk = Walk::default();
        let mut bucket: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for round in 0..100 {
            let mut alarms = Vec::new();
            for (device, said) in said(&mut walk, ROUND) {
                let report =
                    Report::read(&format!("sensors/{device}/raw"), said.as_bytes()).unwrap();
                let stored = Stored {
                    values: bucket.get(&turn::values_key(device)).cloned(),
                    alarms: bucket.get(&turn::alarms_key(device)).cloned(),
                };
                let turn = turn::turn(&report, None, &stored, &settings);
                bucket.extend(turn.write);
                let announced = turn
                    .publish
                    .into_iter()
                    .filter(|(topic, _)| topic == ALARMS);
                alarms.extend(announced.map(|(_, data)| String::from_utf8(data).unwrap()));
            }
            alarms.retain(|alarm| alarm.contains("temperature_max"));
            let [raised, cleared] = &alarms[..] else {
                panic!("round {round}: {alarms:?}")
            };
            assert!(raised.contains("raised") && cleared.contains("cleared"));
        }
    }
}
