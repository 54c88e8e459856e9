//! Dead letters: where they are told of, and how many are kept.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;

use common::{bus, envelope, filter, subscriber, topic, with_rules};
use whirlwind_bus::{
    Bus, DeadLetterLimits, DeadLetters, MailboxSpec, Overflow, Reason, TopicRule, TopicRules,
};

#[tokio::test]
async fn what_comes_to_one_who_has_left_is_a_dead_letter_at_once() {
    let bus = bus();
    let (_mailbox, inbox) = subscriber(&bus, "a", 1, Overflow::Reject);
    bus.publish(envelope("a", "1"));
    let refusal = bus.publish(envelope("a", "2")).refused.pop().unwrap();
    bus.retire(&inbox, &[filter("a")]);
    refusal.retry(&bus).unwrap();
    assert_eq!(inbox.stats().depth, 0);
    let letters = bus.dead_letters().list();
    let reasons: Vec<_> = letters.iter().map(|letter| letter.reason).collect();
    assert_eq!(reasons, [Reason::ActorGone, Reason::ActorGone]);
}

/// The dead letter is published in the middle of the publish that it comes of.
#[tokio::test]
async fn whoever_looks_on_sees_an_event_before_the_letter_that_it_becomes() {
    let rule = TopicRule {
        dead_letter: Some(topic("dead")),
        ..TopicRule::default()
    };
    let bus = with_rules(TopicRules::new([(filter("a"), rule)]));
    let (_mailbox, _inbox) = subscriber(&bus, "a", 1, Overflow::DeadLetter);
    let (eye, seen) = bus.mailbox(MailboxSpec::default());
    bus.observe(&filter("#"), &eye);
    for id in ["1", "2"] {
        bus.publish(envelope("a", id));
    }
    let mut seen = seen.lease(0).unwrap();
    for on in ["a", "a", "dead"] {
        assert_eq!(seen.next().await.topic.as_str(), on);
        seen.handled();
    }
}

#[tokio::test]
async fn a_dead_letter_goes_to_the_dead_letter_topic_too_and_never_round_in_circles() {
    let to = TopicRule {
        dead_letter: Some(topic("dead")),
        ..TopicRule::default()
    };
    let bus = with_rules(TopicRules::new([(filter("#"), to)]));
    let (_mailbox, inbox) = subscriber(&bus, "dead", 8, Overflow::Reject);
    bus.dead_letter(
        envelope("a", "1"),
        "x".into(),
        Reason::Rejected,
        "no".into(),
    );
    assert_eq!(inbox.stats().accepted, 1);
    let mut lease = inbox.lease(0).unwrap();
    lease.next().await;
    lease.dead_letter(&bus, Reason::Rejected, "no".into());
    assert_eq!(
        inbox.stats().accepted,
        1,
        "a rule that matches its own dead-letter topic"
    );
    assert_eq!(bus.dead_letters().len(), 2);
}

#[test]
fn dead_letter_topics_that_lead_to_each_other_end_with_the_first_notice() {
    let to = |dead: &str| TopicRule {
        dead_letter: Some(topic(dead)),
        ..TopicRule::default()
    };
    let rules = [(filter("a"), to("b")), (filter("b"), to("a"))];
    let bus = with_rules(TopicRules::new(rules));
    let (mailbox, _inbox) = subscriber(&bus, "a", 1, Overflow::DeadLetter);
    bus.subscribe(&filter("b"), &mailbox);
    bus.publish(envelope("a", "1"));
    bus.publish(envelope("a", "2"));
    // The second did not fit, and neither did the notice of it on `b`.
    let letters = bus.dead_letters().list();
    let topics: Vec<_> = letters.iter().map(|letter| letter.topic.as_str()).collect();
    assert_eq!(topics, ["a", "b"]);
}

#[test]
fn the_first_rule_that_says_something_holds() {
    let rules = TopicRules::new([
        (
            filter("a/b"),
            TopicRule {
                max_event: Some(5),
                ..TopicRule::default()
            },
        ),
        (
            filter("a/+"),
            TopicRule {
                max_event: Some(10),
                dead_letter: Some(topic("dead")),
                ..TopicRule::default()
            },
        ),
    ]);
    assert_eq!(rules.max_event(&topic("a/b")), 5);
    assert_eq!(rules.max_event(&topic("a/c")), 10);
    assert_eq!(
        rules.max_event(&topic("z")),
        whirlwind_bus::DEFAULT_MAX_EVENT
    );
    assert_eq!(rules.dead_letter(&topic("a/b")).unwrap().as_str(), "dead");
    assert!(rules.dead_letter(&topic("z")).is_none());
}

#[test]
fn a_full_box_of_dead_letters_pushes_the_oldest_out_and_counts_it() {
    let letters = DeadLetters::new(DeadLetterLimits {
        count: 2,
        bytes: usize::MAX,
    });
    let bus = Arc::new(Bus::new(TopicRules::default(), letters));
    for n in 1..=3 {
        let envelope = envelope("a", &n.to_string());
        bus.dead_letter(envelope, "x".into(), Reason::Rejected, String::new());
    }
    let letters = bus.dead_letters();
    let kept: Vec<u64> = letters.list().iter().map(|l| l.id).collect();
    assert_eq!(kept, [2, 3]);
    assert_eq!((letters.recorded(), letters.pushed_out()), (3, 1));
    assert_eq!(letters.take(2).unwrap().event.id(), "2");
    assert!(letters.get(2).is_none());
    assert_eq!(letters.len(), 1);
}
