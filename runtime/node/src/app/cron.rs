//! The five fields of a timer's `cron`.

use std::fmt;

use chrono::{DateTime, Utc};
use croner::parser::{CronParser, Seconds, Year};

use crate::manifest::quoted;

/// The longest text: ten times a long one, and too short to be work.
const LONGEST: usize = 256;

/// Times in UTC that five fields describe, as in crontab(5): minute, hour, day of the month, month, day of the week. Where both
/// days are given, either is enough.
///
/// UTC, as it has every time of a day exactly once: no tick is left out or comes twice when a country changes its clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    pattern: Box<croner::Cron>,
}

/// Why a text is no [`Cron`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronFault {
    /// It does not have five fields.
    #[error("has {0} fields, not five")]
    Fields(usize),
    /// It is longer than anybody needs.
    #[error("is longer than {LONGEST} bytes")]
    TooLong,
    /// A field is not understood; the words of the parser.
    #[error("is not understood: {0}")]
    Field(String),
    /// No day is ever like this.
    #[error("never comes: {} is no time of any year", quoted(.0))]
    Never(String),
}

impl Cron {
    /// Reads five fields.
    ///
    /// # Errors
    /// [`CronFault`].
    pub fn parse(text: &str) -> Result<Self, CronFault> {
        if text.len() > LONGEST {
            return Err(CronFault::TooLong);
        }
        let fields = text.split_whitespace().count();
        if fields != 5 {
            return Err(CronFault::Fields(fields));
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let pattern = parser.parse(text).map_err(|error| {
            let words = error.to_string();
            CronFault::Field(words.trim_end_matches('.').to_owned())
        })?;
        let cron = Self {
            text: text.to_owned(),
            pattern: Box::new(pattern),
        };
        match cron.after(DateTime::UNIX_EPOCH) {
            Some(_) => Ok(cron),
            None => Err(CronFault::Never(text.to_owned())),
        }
    }

    /// The first of its times after `time`; none where the calendar ends.
    pub fn after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.pattern.find_next_occurrence(&time, false).ok()
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{Datelike as _, TimeDelta, Timelike as _};
    use proptest::prelude::*;

    use super::*;

    /// What one field allows: everything, one value, a range, or every so many.
    #[derive(Debug, Clone, Copy)]
    enum Field {
        All,
        One(u32),
        Range(u32, u32),
        Step(u32),
    }

    impl Field {
        fn has(self, value: u32, least: u32) -> bool {
            match self {
                Self::All => true,
                Self::One(one) => value == one,
                Self::Range(from, to) => (from..=to).contains(&value),
                Self::Step(step) => (value - least).is_multiple_of(step),
            }
        }

        fn written(self) -> String {
            match self {
                Self::All => "*".to_owned(),
                Self::One(one) => one.to_string(),
                Self::Range(from, to) => format!("{from}-{to}"),
                Self::Step(step) => format!("*/{step}"),
            }
        }
    }

    fn field(least: u32, most: u32) -> impl Strategy<Value = Field> {
        prop_oneof![
            Just(Field::All),
            (least..=most).prop_map(Field::One),
            (least..=most, least..=most).prop_map(|(a, b)| Field::Range(a.min(b), a.max(b))),
            (2..=most / 2).prop_map(Field::Step),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Against looking at every minute there is.
        #[test]
        fn the_next_time_is_the_first_minute_that_every_field_has(
            minute in field(0, 59), hour in field(0, 23), month in field(1, 12), weekday in field(0, 6),
            from in 1_700_000_000_i64..1_900_000_000,
        ) {
            let fields = [minute, hour, Field::All, month, weekday].map(Field::written);
            let cron = Cron::parse(&fields.join(" ")).unwrap();
            let from = DateTime::from_timestamp(from, 0).unwrap();
            let mut naive = from - TimeDelta::seconds(i64::from(from.second()));
            loop {
                naive += TimeDelta::minutes(1);
                let day = month.has(naive.month(), 1)
                    && weekday.has(naive.weekday().num_days_from_sunday(), 0);
                if !day {
                    naive = naive.date_naive().and_hms_opt(23, 59, 0).unwrap().and_utc();
                } else if minute.has(naive.minute(), 0) && hour.has(naive.hour(), 0) {
                    break;
                }
            }
            prop_assert_eq!(cron.after(from), Some(naive), "{}", cron);
        }
    }

    #[test]
    fn either_day_is_enough_where_both_are_given() {
        let cron = Cron::parse("0 12 13 * FRI").unwrap();
        let mut time: DateTime<Utc> = "2026-11-01T00:00:00Z".parse().unwrap();
        let days = [(); 5].map(|()| {
            time = cron.after(time).unwrap();
            time.day()
        });
        assert_eq!(days, [6, 13, 20, 27, 4]);
    }

    #[test]
    fn what_is_no_cron_says_why() {
        for (text, fault) in [
            ("", CronFault::Fields(0)),
            ("@daily", CronFault::Fields(1)),
            ("* * * *", CronFault::Fields(4)),
            ("* * * * * *", CronFault::Fields(6)),
            (&"1,".repeat(200), CronFault::TooLong),
        ] {
            assert_eq!(Cron::parse(text), Err(fault), "{text}");
        }
        for text in [
            "60 * * * *",
            "* 24 * * *",
            "a * * * *",
            "*/0 * * * *",
            "5-1 * * * *",
        ] {
            let fault = Cron::parse(text);
            assert!(
                matches!(fault, Err(CronFault::Field(_))),
                "{text}: {fault:?}"
            );
        }
        let never = CronFault::Never("0 0 30 2 *".to_owned());
        assert_eq!(Cron::parse("0 0 30 2 *"), Err(never));
    }
}
