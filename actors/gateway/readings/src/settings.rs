//! What the manifest's `config` says, as pairs of names and texts.

use std::collections::BTreeMap;

use crate::quantity::{Kind, Quantity, Temperature, Value};

/// The unit of temperatures, and the thresholds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// What temperatures are published in; thresholds are in it too.
    pub temperature: Temperature,
    /// By their names: `temperature_max`.
    thresholds: BTreeMap<String, Threshold>,
    /// By the name of the quantity.
    hysteresis: BTreeMap<String, f64>,
}

/// When an alarm is raised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// Above this.
    Max(f64),
    /// Below this.
    Min(f64),
    /// While it is this.
    Is(bool),
}

impl Settings {
    /// Reads the pairs:
    ///
    /// - `unit`: `C` or `F`
    /// - `<quantity>_max`, `<quantity>_min`: numbers, as they are published
    /// - `<quantity>_hysteresis`: how far back a value must be before the alarm
    ///   is cleared; 0 without it
    /// - `<quantity>_alarm`: `true` or `false`, for what is one of the two
    ///
    /// # Errors
    /// A pair means nothing; in words that name it.
    pub fn read<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        let mut settings = Self::default();
        for (name, text) in pairs {
            settings.take(name, text)?;
        }
        Ok(settings)
    }

    fn take(&mut self, name: &str, text: &str) -> Result<(), String> {
        if name == "unit" {
            self.temperature = match text {
                "C" => Temperature::Celsius,
                "F" => Temperature::Fahrenheit,
                _ => return Err(format!("config: unit is {text:?}; write \"C\" or \"F\"")),
            };
            return Ok(());
        }
        let unknown = || {
            format!(
                "config: {name} means nothing; write \"unit\", or a quantity and \"_max\", \"_min\", \"_hysteresis\" or \"_alarm\""
            )
        };
        let (quantity, rule) = name.rsplit_once('_').ok_or_else(unknown)?;
        let kind = Quantity::named(quantity).ok_or_else(unknown)?.kind;
        let threshold =
            match (rule, kind) {
                ("max", Kind::Number { .. }) => Threshold::Max(number(name, text)?),
                ("min", Kind::Number { .. }) => Threshold::Min(number(name, text)?),
                ("alarm", Kind::Flag) => Threshold::Is(text.parse().map_err(|_| {
                    format!("config: {name} is {text:?}; write \"true\" or \"false\"")
                })?),
                ("hysteresis", Kind::Number { .. }) => {
                    let width = number(name, text)?;
                    if width < 0.0 {
                        return Err(format!("config: {name} is {text:?}, less than 0"));
                    }
                    self.hysteresis.insert(quantity.into(), width);
                    return Ok(());
                }
                _ => return Err(unknown()),
            };
        self.thresholds.insert(name.into(), threshold);
        Ok(())
    }

    /// The threshold of a name.
    pub fn threshold(&self, name: &str) -> Option<Threshold> {
        self.thresholds.get(name).copied()
    }

    /// How far back a value of this quantity must be.
    pub fn hysteresis(&self, quantity: &Quantity) -> f64 {
        self.hysteresis.get(quantity.name).copied().unwrap_or(0.0)
    }
}

impl Threshold {
    /// Whether its alarm is raised after this value, if it `was` before.
    pub fn raised(self, value: Value, was: bool, hysteresis: f64) -> bool {
        let back = if was { hysteresis } else { 0.0 };
        match (self, value) {
            (Self::Max(most), Value::Number(number)) => number > most - back,
            (Self::Min(least), Value::Number(number)) => number < least + back,
            (Self::Is(alarming), Value::Flag(flag)) => flag == alarming,
            _ => false,
        }
    }

    /// What it is crossed at.
    pub fn value(self) -> Value {
        match self {
            Self::Max(number) | Self::Min(number) => Value::Number(number),
            Self::Is(flag) => Value::Flag(flag),
        }
    }
}

fn number(name: &str, text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
        .ok_or_else(|| format!("config: {name} is {text:?}, not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_read() {
        let settings = Settings::read([
            ("unit", "F"),
            ("temperature_max", "86"),
            ("temperature_hysteresis", "1.5"),
            ("soil_moisture_min", "-0"),
            ("available_alarm", "false"),
        ])
        .unwrap();
        assert_eq!(settings.temperature, Temperature::Fahrenheit);
        assert_eq!(
            settings.threshold("temperature_max"),
            Some(Threshold::Max(86.0))
        );
        assert_eq!(
            settings.threshold("soil_moisture_min"),
            Some(Threshold::Min(0.0))
        );
        assert_eq!(
            settings.threshold("available_alarm"),
            Some(Threshold::Is(false))
        );
        assert_eq!(settings.threshold("temperature_min"), None);
        let quantity = Quantity::named("temperature").unwrap();
        assert_eq!(settings.hysteresis(&quantity), 1.5);
    }

    #[test]
    fn a_pair_that_means_nothing_is_named() {
        for (name, text) in [
            ("unit", "K"),
            ("units", "C"),
            ("temperature", "30"),
            ("temperatur_max", "30"),
            ("temperature_most", "30"),
            ("temperature_max", "thirty"),
            ("temperature_max", "NaN"),
            ("temperature_min", "inf"),
            ("temperature_alarm", "true"),
            ("temperature_hysteresis", "-1"),
            ("contact_max", "1"),
            ("contact_alarm", "yes"),
        ] {
            let refusal = Settings::read([(name, text)]).unwrap_err();
            assert!(refusal.contains(name), "{refusal}");
        }
    }
}
