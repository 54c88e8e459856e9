//! What is a topic, what is a filter, and what is said of other texts.

use proptest::prelude::*;
use whirlwind_event::{MAX_TOPIC_SIZE, Topic, TopicFilter};

#[test]
fn topics_may_be_any_row_of_levels() {
    for text in [
        "a",
        "/",
        "//",
        "/a",
        "a/",
        "a//b",
        " ",
        "a b/c",
        "$sys/actor/x/crashed",
        "a/$b",
        "Zürich/温度/🌀",
        "a*b?c",
    ] {
        let topic = Topic::parse(text).unwrap();
        assert_eq!(topic.as_str(), text);
        assert_eq!(topic.to_string(), text);
        assert_eq!(topic.is_system(), text == "$sys/actor/x/crashed");

        let filter = TopicFilter::parse(text).unwrap();
        assert!(filter.is_exact(), "{text}");
        assert_eq!(filter.as_topic(), Some(topic.clone()));
        assert_eq!(TopicFilter::from(topic), filter);
    }
}

#[test]
fn filters_may_have_wildcards_that_are_whole_levels() {
    for text in [
        "+", "#", "+/+", "/+", "+/", "a/+/b", "a/#", "/#", "+/#", "$sys/#", "$sys/+/x",
    ] {
        let filter = TopicFilter::parse(text).unwrap();
        assert_eq!(filter.as_str(), text);
        assert!(!filter.is_exact(), "{text}");
        assert_eq!(filter.as_topic(), None);
    }
}

#[test]
fn what_is_not_a_topic_is_told_where_and_how_to_mend_it() {
    for (text, message) in [
        (
            "",
            r#"topic is empty; give it at least one level, such as "sensors/kitchen""#,
        ),
        (
            "+",
            r#"topic "+" has the wildcard "+" at level 1; write the name itself: wildcards belong in topic filters"#,
        ),
        (
            "sensors/a#/c",
            r##"topic "sensors/a#/c" has the wildcard "#" at level 2; write the name itself: wildcards belong in topic filters"##,
        ),
        (
            "a//b\0",
            r#"topic "a//b\0" has the character U+0000 at level 3; remove it"#,
        ),
        (
            "\u{1b}[31m/b",
            r#"topic "\u{1b}[31m/b" has the character U+001B at level 1; remove it"#,
        ),
        (
            "a/\u{fffe}",
            r#"topic "a/\u{fffe}" has the character U+FFFE at level 2; remove it"#,
        ),
    ] {
        assert_eq!(Topic::parse(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn what_is_not_a_filter_is_told_where_and_how_to_mend_it() {
    for (text, message) in [
        (
            "",
            r#"topic filter is empty; give it at least one level, such as "sensors/kitchen""#,
        ),
        (
            "a/b+",
            r#"topic filter "a/b+" has "+" beside other characters at level 2; a wildcard is a whole level: write "+" alone between the slashes"#,
        ),
        (
            "a/b/##",
            r##"topic filter "a/b/##" has "#" beside other characters at level 3; a wildcard is a whole level: write "#" alone between the slashes"##,
        ),
        (
            "a#",
            r##"topic filter "a#" has "#" beside other characters at level 1; a wildcard is a whole level: write "#" alone between the slashes"##,
        ),
        (
            "a/#/",
            r##"topic filter "a/#/" goes on after the "#" at level 2; "#" must be the last level: end the filter there, or write "+" for this one level"##,
        ),
        (
            "a/\u{7f}/#",
            r##"topic filter "a/\u{7f}/#" has the character U+007F at level 2; remove it"##,
        ),
    ] {
        assert_eq!(TopicFilter::parse(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn the_longest_topic_is_as_long_as_an_mqtt_string() {
    let longest = "é".repeat(MAX_TOPIC_SIZE / 2) + "a";
    assert_eq!(longest.len(), 65_535);
    assert!(Topic::parse(&longest).is_ok());
    assert!(TopicFilter::parse(&longest).is_ok());

    let too_long = longest + "a";
    let message = format!(
        r#"topic "{}"... has 65536 bytes, and 65535 are allowed; shorten it"#,
        "é".repeat(64)
    );
    assert_eq!(Topic::parse(&too_long).unwrap_err().to_string(), message);
    assert_eq!(
        TopicFilter::parse(&too_long).unwrap_err().to_string(),
        message.replace("topic ", "topic filter "),
    );
}

#[test]
fn serde_carries_both_as_strings_and_tells_the_place() {
    let topic: Topic = serde_json::from_str(r#""a\/b""#).unwrap();
    assert_eq!(serde_json::to_string(&topic).unwrap(), r#""a/b""#);
    let filter: TopicFilter = serde_json::from_str(r#""a/+/#""#).unwrap();
    assert_eq!(serde_json::to_string(&filter).unwrap(), r#""a/+/#""#);

    let error = serde_json::from_str::<Topic>(r#""a/+""#).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"topic "a/+" has the wildcard "+" at level 2; write the name itself: wildcards belong in topic filters at line 1 column 5"#,
    );
    let error = serde_json::from_str::<TopicFilter>("7").unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid type: integer `7`, expected a topic filter at line 1 column 1"
    );
}

/// The rules once more, by level and without care for speed.
fn is_topic(text: &str) -> bool {
    is_utf8_string(text) && !text.contains(['+', '#'])
}

fn is_filter(text: &str) -> bool {
    let levels: Vec<&str> = text.split('/').collect();
    let wildcards_alone = levels
        .iter()
        .all(|level| level.len() == 1 || !level.contains(['+', '#']));
    let hash_last = levels
        .iter()
        .position(|level| *level == "#")
        .is_none_or(|at| at == levels.len() - 1);
    is_utf8_string(text) && wildcards_alone && hash_last
}

fn is_utf8_string(text: &str) -> bool {
    let forbidden = |c: char| {
        let code = c as u32;
        code < 0x20
            || (0x7F..0xA0).contains(&code)
            || (0xFDD0..0xFDF0).contains(&code)
            || code % 0x10000 >= 0xFFFE
    };
    !text.is_empty() && text.len() <= 65_535 && !text.contains(forbidden)
}

proptest! {
    #[test]
    fn any_text_is_parsed_as_the_rules_say_and_printed_as_it_was(
        text in prop_oneof![any::<String>(), "[ab/+#$\u{0}]{0,8}", "(a|b|\\+|#|)(/(a|b|\\+|#|)){0,6}"],
    ) {
        let topic = Topic::parse(&text);
        prop_assert_eq!(topic.is_ok(), is_topic(&text));
        if let Ok(topic) = topic {
            prop_assert_eq!(topic.as_str(), &text);
        }
        let filter = TopicFilter::parse(&text);
        prop_assert_eq!(filter.is_ok(), is_filter(&text));
        if let Ok(filter) = filter {
            prop_assert_eq!(filter.as_str(), &text);
            prop_assert_eq!(filter.is_exact(), is_topic(&text));
        }
    }
}
