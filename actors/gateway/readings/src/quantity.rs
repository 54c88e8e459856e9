//! What devices measure.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// Something that a device can say: a member of the JSON object that
/// Zigbee2MQTT publishes for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantity {
    /// The member's name, and the last level of `readings/<device>/<quantity>`.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
}

/// What the values of a quantity are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A number from `least` to `most`, in what Zigbee2MQTT gives it in.
    Number {
        /// How the unit is written; `None` for a number without one.
        unit: Option<&'static str>,
        /// No less is possible.
        least: f64,
        /// No more is possible.
        most: f64,
    },
    /// Yes or no.
    Flag,
}

/// A value of a quantity. In JSON it is the number or the boolean itself.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Of a [`Kind::Number`].
    Number(f64),
    /// Of a [`Kind::Flag`].
    Flag(bool),
}

/// What degrees of temperature are published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Temperature {
    /// As the devices measure it.
    #[default]
    Celsius,
    /// Converted.
    Fahrenheit,
}

/// What a message on `zigbee2mqtt/<device>/availability` says; no member of a
/// reading.
pub const AVAILABLE: Quantity = flag("available");

/// The members that the gateway knows, by the names that Zigbee2MQTT gives
/// them. The bounds are those of physics and of the encoding, not of any
/// sensor: they are there to keep nonsense out.
const MEMBERS: [Quantity; 18] = [
    number("temperature", Some("C"), -273.15, 1000.0),
    number("humidity", Some("%"), 0.0, 100.0),
    number("soil_moisture", Some("%"), 0.0, 100.0),
    number("battery", Some("%"), 0.0, 100.0),
    number("pressure", Some("hPa"), 0.0, 2000.0),
    number("illuminance", Some("lx"), 0.0, 200_000.0),
    number("co2", Some("ppm"), 0.0, 1_000_000.0),
    number("power", Some("W"), -100_000.0, 100_000.0),
    number("energy", Some("kWh"), -1e9, 1e9),
    number("linkquality", None, 0.0, 255.0),
    flag("contact"),
    flag("occupancy"),
    flag("presence"),
    flag("vibration"),
    flag("water_leak"),
    flag("smoke"),
    flag("tamper"),
    flag("battery_low"),
];

const fn number(name: &'static str, unit: Option<&'static str>, least: f64, most: f64) -> Quantity {
    let kind = Kind::Number { unit, least, most };
    Quantity { name, kind }
}

const fn flag(name: &'static str) -> Quantity {
    let kind = Kind::Flag;
    Quantity { name, kind }
}

impl Quantity {
    /// The quantity that a member of a reading is.
    pub fn of_member(name: &str) -> Option<Self> {
        MEMBERS.into_iter().find(|known| known.name == name)
    }

    /// Any quantity, [`AVAILABLE`] among them.
    pub fn named(name: &str) -> Option<Self> {
        if name == AVAILABLE.name {
            return Some(AVAILABLE);
        }
        Self::of_member(name)
    }

    /// The names of the members that the gateway knows.
    pub fn members() -> impl Iterator<Item = &'static str> {
        MEMBERS.iter().map(|known| known.name)
    }

    /// The unit in which its values are published.
    pub fn unit(&self, temperature: Temperature) -> Option<&'static str> {
        match self.kind {
            Kind::Number {
                unit: Some("C"), ..
            } => Some(temperature.symbol()),
            Kind::Number { unit, .. } => unit,
            Kind::Flag => None,
        }
    }

    /// A measured value as it is published.
    pub fn convert(&self, value: Value, temperature: Temperature) -> Value {
        match (self.kind, value) {
            (
                Kind::Number {
                    unit: Some("C"), ..
                },
                Value::Number(celsius),
            ) => Value::Number(temperature.from_celsius(celsius)),
            (_, value) => value,
        }
    }
}

impl Temperature {
    /// `C` or `F`.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Celsius => "C",
            Self::Fahrenheit => "F",
        }
    }

    /// Degrees Celsius in this unit. What is converted is rounded to a
    /// thousandth: 21.3 °C is 70.34 °F and not 70.34000000000001.
    pub fn from_celsius(self, celsius: f64) -> f64 {
        match self {
            Self::Celsius => celsius,
            Self::Fahrenheit => thousandths(celsius * 1.8 + 32.0),
        }
    }

    /// And back.
    pub fn to_celsius(self, degrees: f64) -> f64 {
        match self {
            Self::Celsius => degrees,
            Self::Fahrenheit => thousandths((degrees - 32.0) / 1.8),
        }
    }
}

fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

impl Serialize for Value {
    /// A whole number goes out as devices write it: 87 and not 87.0.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                serializer.serialize_i64(number as i64)
            }
            Self::Number(number) => serializer.serialize_f64(number),
            Self::Flag(flag) => serializer.serialize_bool(flag),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // All the digits of 1e300 are no help.
            Self::Number(number) if *number != 0.0 && !(1e-6..1e15).contains(&number.abs()) => {
                write!(f, "{number:e}")
            }
            Self::Number(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_fixed_points_of_the_two_scales_meet() {
        for (celsius, fahrenheit) in [(0.0, 32.0), (100.0, 212.0), (-40.0, -40.0), (21.3, 70.34)] {
            assert_eq!(Temperature::Fahrenheit.from_celsius(celsius), fahrenheit);
            assert_eq!(Temperature::Fahrenheit.to_celsius(fahrenheit), celsius);
        }
    }

    #[test]
    fn only_temperatures_are_converted() {
        let humidity = Quantity::of_member("humidity").unwrap();
        let value = humidity.convert(Value::Number(50.0), Temperature::Fahrenheit);
        assert_eq!(value, Value::Number(50.0));
        assert_eq!(humidity.unit(Temperature::Fahrenheit), Some("%"));
        let temperature = Quantity::of_member("temperature").unwrap();
        assert_eq!(temperature.unit(Temperature::Fahrenheit), Some("F"));
    }

    #[test]
    fn availability_is_no_member_of_a_reading() {
        assert_eq!(Quantity::of_member("available"), None);
        assert_eq!(Quantity::named("available"), Some(AVAILABLE));
    }

    #[test]
    fn a_value_is_written_as_devices_write_it() {
        for (value, text) in [
            (Value::Number(87.0), "87"),
            (Value::Number(-0.0), "0"),
            (Value::Number(21.35), "21.35"),
            (Value::Flag(true), "true"),
        ] {
            assert_eq!(serde_json::to_string(&value).unwrap(), text);
            assert_eq!(serde_json::from_str::<Value>(text).unwrap(), value);
        }
    }

    proptest! {
        #[test]
        fn a_temperature_converted_there_and_back_is_the_same(thousandth in -273_150i32..1_000_000) {
            let celsius = f64::from(thousandth) / 1000.0;
            for unit in [Temperature::Celsius, Temperature::Fahrenheit] {
                let back = unit.to_celsius(unit.from_celsius(celsius));
                prop_assert!((back - celsius).abs() < 0.0011, "{celsius} came back as {back}");
            }
        }

        #[test]
        fn warmer_is_never_published_as_colder(a in -273.15..1000.0, b in -273.15..1000.0) {
            let (colder, warmer) = if a < b { (a, b) } else { (b, a) };
            let unit = Temperature::Fahrenheit;
            prop_assert!(unit.from_celsius(colder) <= unit.from_celsius(warmer));
        }
    }
}
