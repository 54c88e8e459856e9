use proptest::prelude::*;

use super::*;

fn raw(data: impl AsRef<[u8]>) -> Result<Vec<Reading>, Rejection> {
    Report::read("sensors/cellar/raw", data.as_ref()).map(|report| report.readings)
}

fn refusal(data: impl AsRef<[u8]>) -> String {
    let refusal = raw(data).unwrap_err().to_string();
    assert!(refusal.len() < 300, "{refusal}");
    refusal
}

fn named(readings: &[Reading]) -> Vec<(&str, Value)> {
    readings
        .iter()
        .map(|r| (r.quantity.name, r.value))
        .collect()
}

#[test]
fn a_reading_is_taken_apart_and_what_is_unknown_is_passed_over() {
    let readings = raw(
        r#"{"battery":87,"humidity":54.21,"linkquality":112,"temperature":21.5,"voltage":2975,
            "update":{"state":"idle","versions":[1,2,[3]]},"last_seen":"2024-05-01T12:00:00Z","contact":true}"#,
    )
    .unwrap();
    assert_eq!(
        named(&readings),
        [
            ("battery", Value::Number(87.0)),
            ("humidity", Value::Number(54.21)),
            ("linkquality", Value::Number(112.0)),
            ("temperature", Value::Number(21.5)),
            ("contact", Value::Flag(true)),
        ]
    );
}

#[test]
fn a_member_that_is_null_is_known_and_has_no_value_yet() {
    assert_eq!(raw(r#"{"battery":null,"temperature":null}"#), Ok(vec![]));
}

#[test]
fn availability_is_understood_in_both_ways_it_is_said() {
    for (data, available) in [
        (r#"{"state":"online"}"#, true),
        (r#"{"state":"offline","more":1}"#, false),
        ("online", true),
        ("offline", false),
    ] {
        let report = Report::read("sensors/cellar/availability", data.as_bytes()).unwrap();
        assert_eq!(report.device, "cellar");
        assert_eq!(
            named(&report.readings),
            [("available", Value::Flag(available))]
        );
    }
    for data in [
        "",
        "ONLINE",
        "{}",
        r#"{"state":null}"#,
        r#"{"state":"asleep"}"#,
        r#"{"state":[1]}"#,
    ] {
        let refused = Report::read("sensors/cellar/availability", data.as_bytes());
        assert!(refused.is_err(), "{data}");
    }
}

#[test]
fn what_is_no_reading_is_rejected_in_words() {
    for (data, words) in [
        ("", "not a JSON object"),
        ("null", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ("\"temperature\"", "not a JSON object"),
        ("{", "not JSON: EOF"),
        ("{} {}", "not JSON: trailing"),
        (r#"{"temperature":NaN}"#, "not JSON"),
        (r#"{"temperature":1e999}"#, "not JSON: number out of range"),
        ("{}", "no member of the object is known"),
        (
            r#"{"state":"ON","brightness":254}"#,
            "no member of the object is known",
        ),
        (
            r#"{"temperature":"NaN"}"#,
            "temperature is a string, not a number",
        ),
        (r#"{"temperature":[[21]]}"#, "temperature is an array"),
        (
            r#"{"temperature":{"value":21}}"#,
            "temperature is an object",
        ),
        (r#"{"temperature":true}"#, "temperature is true"),
        (r#"{"contact":1}"#, "contact is 1, not true or false"),
        (r#"{"temperature":-273.16}"#, "not from -273.15 to 1000"),
        (r#"{"humidity":100.1}"#, "humidity is 100.1"),
        (r#"{"battery":18446744073709551615}"#, "not from 0 to 100"),
        (r#"{"linkquality":-1}"#, "not from 0 to 255"),
        (r#"{"battery":50,"humidity":900}"#, "humidity is 900"),
        (r#"{"battery":50,"battery":5}"#, "battery is there twice"),
    ] {
        let refusal = refusal(data);
        assert!(refusal.contains(words), "{data}: {refusal}");
    }
}

#[test]
fn the_bounds_themselves_are_possible() {
    assert!(raw(r#"{"temperature":-273.15,"humidity":100,"battery":0}"#).is_ok());
}

#[test]
fn bytes_that_are_no_text_are_rejected() {
    refusal(b"\xff\xfe");
    refusal(b"{\"\xff\":1}");
    refusal(b"{\"temperature\":\"\xff\"}");
}

#[test]
fn nesting_without_end_costs_no_stack() {
    let deep = "[".repeat(30_000);
    refusal(&deep);
    refusal(format!("{{\"temperature\":{deep}"));
    refusal(format!("{{\"unknown\":{deep}"));
    let closed = format!("{deep}{}", "]".repeat(30_000));
    refusal(format!("{{\"temperature\":{closed}}}"));
    assert!(raw(format!("{{\"unknown\":{closed},\"battery\":1}}")).is_ok());
}

#[test]
fn a_mebibyte_is_more_than_a_device_says() {
    let long = format!(r#"{{"battery":1,"x":"{}"}}"#, "x".repeat(1 << 20));
    assert!(refusal(&long).contains("more than a device says"));
    let text = format!(r#""{}""#, "x".repeat(60_000));
    refusal(&text);
    refusal(format!(r#"{{"temperature":{text}}}"#));
    refusal(format!(r#"{{{text}:1}}"#));
}

#[test]
fn a_topic_that_is_not_a_devices_is_rejected() {
    for topic in [
        "",
        "sensors",
        "sensors/a/b/raw",
        "sensors/a/other",
        "other/a/raw",
    ] {
        assert!(Report::read(topic, br#"{"battery":1}"#).is_err(), "{topic}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_rejected_in_few_words(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Err(Rejection(words)) = raw(&data) {
            prop_assert!(words.len() < 300);
        }
    }

    #[test]
    fn a_damaged_reading_gives_only_values_within_bounds(
        at in 0usize..80,
        byte in any::<u8>(),
    ) {
        let mut data = br#"{"battery":87,"humidity":54.21,"linkquality":112,"temperature":21.5,"contact":true}"#.to_vec();
        let at = at.min(data.len() - 1);
        data[at] = byte;
        for Reading { quantity, value } in raw(&data).unwrap_or_default() {
            match (quantity.kind, value) {
                (Kind::Number { least, most, .. }, Value::Number(n)) => prop_assert!((least..=most).contains(&n)),
                (Kind::Flag, Value::Flag(_)) => {}
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn every_number_is_taken_as_it_is_or_refused(number in any::<f64>()) {
        let text = serde_json::to_string(&number).unwrap();
        let readings = raw(format!(r#"{{"temperature":{text}}}"#));
        if !number.is_finite() {
            // JSON has no such number: it is written as null.
            prop_assert_eq!(readings, Ok(vec![]));
        } else if (-273.15..=1000.0).contains(&number) {
            let readings = readings.unwrap();
            let [Reading { value: Value::Number(read), .. }] = readings[..] else { panic!() };
            prop_assert!((read - number).abs() <= number.abs() * 1e-15);
        } else {
            prop_assert!(readings.is_err());
        }
    }
}
