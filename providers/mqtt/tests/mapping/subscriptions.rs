//! What is asked of the broker.

use whirlwind_provider_mqtt::{Config, InMapping, Mappings, OutMapping, Qos};

fn mapping(mqtt: &str, qos: u8) -> InMapping {
    let mut mapping = InMapping::new(mqtt, "x").unwrap();
    mapping.qos = Qos::from_level(qos).unwrap();
    mapping
}

#[test]
fn each_filter_is_subscribed_once_with_the_highest_level_and_never_the_second() {
    let inward = vec![
        mapping("b/#", 2),
        mapping("a", 0),
        mapping("$share/g/a", 1),
        mapping("a", 1),
        mapping("c", 0),
        mapping("a", 0),
        mapping("a/2", 2),
        mapping("b/#", 2),
    ];
    let expected = [
        ("b/#", 1),
        ("a", 1),
        ("$share/g/a", 1),
        ("c", 0),
        ("a/2", 1),
    ];
    let config = Config::new("p", "mqtt://localhost", "c")
        .unwrap()
        .with_mappings(inward, vec![]);
    let subscriptions = config.mappings.subscriptions();
    let subscriptions: Vec<_> = subscriptions
        .iter()
        .map(|(filter, qos)| (filter.as_str(), qos.level()))
        .collect();
    assert_eq!(subscriptions, expected);
    // Which of them got less than they asked for.
    assert_eq!(config.mappings.lowered(), ["a/2", "b/#"]);
}

#[test]
fn a_shared_subscription_keeps_its_group_and_its_filter_is_without() {
    let mapping = InMapping::new("$share/g/a/+", "x/$1").unwrap();
    assert_eq!(mapping.subscription(), "$share/g/a/+");
    assert_eq!(mapping.filter().as_str(), "a/+");
    assert_eq!(mapping.target(), "x/$1");
    // Only with the slash is it one (MQTT 5, 4.8.2).
    let mapping = InMapping::new("$shared/g/a", "x").unwrap();
    assert_eq!(mapping.filter().as_str(), "$shared/g/a");
}

#[test]
fn mappings_are_kept_as_written_and_none_is_fine() {
    let outward = OutMapping::new("a/+", "x/$1").unwrap();
    assert_eq!(outward.filter().as_str(), "a/+");
    assert_eq!(outward.target(), "x/$1");
    assert_eq!((outward.qos, outward.retain), (Qos::AtLeastOnce, false));
    let mappings = Mappings::new(vec![mapping("a", 1)], vec![outward]);
    assert_eq!(mappings.inward().len(), 1);
    assert_eq!(mappings.outward().len(), 1);
    assert!(mappings.lowered().is_empty());
    assert!(Mappings::default().subscriptions().is_empty());
}
