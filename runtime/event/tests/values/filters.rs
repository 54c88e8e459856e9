//! Which topics a filter matches, and how two filters stand to each other.

use whirlwind_event::{Topic, TopicFilter};

/// MQTT 5, section 4.7, in its own order and with nothing else in mind.
pub(crate) fn naive_match(filter: &str, topic: &str) -> bool {
    fn levels_match(filter: &[&str], topic: &[&str]) -> bool {
        match filter {
            // 4.7.1.2: "#" stands for the parent and any number of child levels.
            ["#"] => true,
            [] => topic.is_empty(),
            // 4.7.1.3: "+" stands for one level.
            ["+", filter @ ..] => !topic.is_empty() && levels_match(filter, &topic[1..]),
            [level, filter @ ..] => {
                topic.first() == Some(level) && levels_match(filter, &topic[1..])
            }
        }
    }
    // 4.7.2: a filter that begins with a wildcard is not for topics that begin with "$".
    if topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#')) {
        return false;
    }
    let filter: Vec<&str> = filter.split('/').collect();
    let topic: Vec<&str> = topic.split('/').collect();
    levels_match(&filter, &topic)
}

/// Every row of 1 to `depth` of these levels, joined.
fn rows(levels: &[&str], depth: usize) -> Vec<String> {
    let mut all: Vec<String> = levels.iter().map(|level| (*level).to_owned()).collect();
    let mut last = all.clone();
    for _ in 1..depth {
        last = last
            .iter()
            .flat_map(|row| levels.iter().map(move |level| format!("{row}/{level}")))
            .collect();
        all.extend(last.iter().cloned());
    }
    all.retain(|row| !row.is_empty());
    all
}

#[test]
fn the_examples_of_the_specification_hold() {
    for (filter, topic, expected) in [
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        (
            "sport/tennis/player1/#",
            "sport/tennis/player1/ranking",
            true,
        ),
        (
            "sport/tennis/player1/#",
            "sport/tennis/player1/score/wimbledon",
            true,
        ),
        ("sport/#", "sport", true),
        ("#", "a/b/c", true),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("#", "$SYS/x", false),
        ("+/monitor/Clients", "$SYS/monitor/Clients", false),
        ("$SYS/#", "$SYS/x", true),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
        ("ACCOUNTS", "Accounts", false),
        ("a/$b/+", "a/$b/$c", true),
    ] {
        let topic = Topic::parse(topic).unwrap();
        let matched = TopicFilter::parse(filter).unwrap().matches(&topic);
        assert_eq!(matched, expected, "{filter} and {topic}");
        assert_eq!(naive_match(filter, topic.as_str()), expected, "the model");
    }
}

/// Every filter of up to three levels against every topic of up to four: no pair is left to luck.
///
/// The names hold one that no filter has (`z`), so that each `+` finds a witness of its own, and
/// the topics are a level deeper than the filters, so that each `#` does.
#[test]
fn matching_overlapping_and_covering_are_right_for_every_small_filter() {
    let topics: Vec<Topic> = rows(&["a", "", "$s", "z"], 4)
        .iter()
        .map(|text| Topic::parse(text).unwrap())
        .collect();
    let filters: Vec<(TopicFilter, Vec<bool>)> = rows(&["a", "", "$s", "+", "#"], 3)
        .iter()
        .filter_map(|text| TopicFilter::parse(text).ok())
        .map(|filter| {
            let matched = topics
                .iter()
                .map(|topic| naive_match(filter.as_str(), topic.as_str()))
                .collect();
            (filter, matched)
        })
        .collect();
    assert_eq!((topics.len(), filters.len()), (339, 104));

    for (filter, matched) in &filters {
        for (topic, expected) in topics.iter().zip(matched) {
            assert_eq!(filter.matches(topic), *expected, "{filter} and {topic}");
        }
        for (other, matched_by_other) in &filters {
            let mut pairs = matched.iter().zip(matched_by_other);
            let overlaps = pairs.clone().any(|(ours, theirs)| *ours && *theirs);
            assert_eq!(
                filter.overlaps(other),
                overlaps,
                "{filter} overlaps {other}"
            );
            let covers = pairs.all(|(ours, theirs)| *ours || !*theirs);
            assert_eq!(filter.covers(other), covers, "{filter} covers {other}");
        }
    }
}
