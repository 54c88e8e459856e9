//! What a handler's answer means: tried again, or given up.

use whirlwind_tests::{Bed, guest};

/// How an event ended: handled, or why and after how many attempts it is a dead letter, in which words.
type End = Option<(&'static str, u32, &'static str)>;

const WASI: [(&str, End); 5] = [
    ("ok", None),
    ("timeout", Some(("max-deliver", 3, "timeout"))),
    (
        "connection",
        Some(("max-deliver", 3, "asked for connection")),
    ),
    (
        "permission-denied",
        Some(("rejected", 1, "asked for permission-denied")),
    ),
    ("other", Some(("rejected", 1, "asked for other"))),
];

const WHIRLWIND: [(&str, End); 3] = [
    ("ok", None),
    ("retry", Some(("max-deliver", 3, "asked to retry"))),
    ("reject", Some(("rejected", 1, "asked to reject"))),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_of_a_handler_is_tried_again_or_given_up_as_the_table_says() {
    each("answers-wasi", &WASI).await;
    each("misbehave", &WHIRLWIND).await;
}

async fn each(component: &str, table: &[(&str, End)]) {
    let Some(path) = guest(component) else { return };
    let manifest = format!(
        r#"
        manifest = 1
        [actor.judge]
        component = {path:?}
        subscribe = ["do"]
        retry     = {{ max_deliver = 3, backoff = {{ min = "0s", max = "0s" }} }}
        [topic.do]
        dead_letter = "dead"
        "#
    );
    let bed = Bed::start(&manifest).await;
    let mut dead = bed.watch("dead");
    let (mut failed, mut retried, mut letters, mut handled) = (0, 0, 0, 0);
    for (answer, end) in table {
        bed.publish("do", *answer).await;
        let Some((reason, attempts, words)) = end else {
            handled += 1;
            continue;
        };
        letters += 1;
        failed += u64::from(*attempts);
        retried += u64::from(*attempts) - 1;
        assert_eq!(dead.text().await, *answer, "of {component}");
        let letter = bed.node.dead_letters().pop().unwrap();
        let found = (letter.reason.as_str(), letter.attempts, &*letter.error);
        assert_eq!(found, (*reason, *attempts, *words), "{component}: {answer}");
    }
    bed.node.stop().await;
    let part = bed.part("judge").await;
    let counted = [
        part.handled,
        part.failed,
        part.retried,
        part.dead,
        part.restarts,
    ];
    assert_eq!(
        counted,
        [handled, failed, retried, letters, 0].map(Some),
        "{component}"
    );
    assert_eq!(bed.node.dead_letters().len() as u64, letters);
}
