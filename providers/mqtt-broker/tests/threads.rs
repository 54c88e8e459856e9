//! A stopped broker leaves no thread. Alone in its file: it counts those of the whole process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod common;

use common::{BOUND, Five, broker};

fn threads() -> Vec<String> {
    let of = |task: std::fs::DirEntry| {
        std::fs::read_to_string(task.path().join("comm")).unwrap_or_default()
    };
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .map(|task| of(task.unwrap()))
        .collect()
}

#[tokio::test]
async fn a_stopped_broker_leaves_no_thread() {
    let before = threads().len();
    for _ in 0..5 {
        let broker = broker().await;
        assert!(
            threads().iter().any(|name| name.trim() == "mqtt-broker"),
            "{:?}",
            threads()
        );
        let mut client = Five::connect(Five::options(&broker, "client")).await;
        client.publish("a", "b").await;
        broker.stop().await;
        // It was joined; the kernel lists it for a moment more.
        let gone = async {
            while threads().len() != before {
                tokio::task::yield_now().await;
            }
        };
        let gone = tokio::time::timeout(BOUND, gone).await;
        assert!(gone.is_ok(), "{:?}", threads());
    }
}
