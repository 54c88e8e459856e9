//! Settings that MQTT or the client cannot have.

use std::path::PathBuf;
use std::time::Duration;

use whirlwind_provider_mqtt::{
    Config, Mode, OutMapping, Qos, Secret, StateTopic, Tls, Version, Will,
};

fn config() -> Config {
    Config::new("p", "mqtt://localhost", "c").unwrap()
}

fn will(topic: &str, size: usize) -> Will {
    Will {
        topic: topic.into(),
        payload: vec![b'x'; size].into(),
        qos: Qos::AtLeastOnce,
        retain: false,
    }
}

fn state(topic: &str, size: usize) -> StateTopic {
    StateTopic {
        topic: topic.into(),
        online: "on".into(),
        offline: vec![b'x'; size].into(),
        qos: Qos::AtLeastOnce,
    }
}

/// A change for the worse, and what is said of it.
type Case = (fn(&mut Config), &'static str);

#[test]
fn what_cannot_be_is_told_how_to_mend_it() {
    let cases: &[Case] = &[
        (
            |c| c.client_id = String::new(),
            "client_id is empty; a session is kept under a name; give one, or set session_expiry to 0",
        ),
        (
            |c| c.client_id = "a\0".into(),
            r#"client_id is "a\0"; use at most 65535 bytes without control characters"#,
        ),
        (
            |c| c.password = Some(Secret::new("CANARY")),
            "there is a password and no username; add the username",
        ),
        (
            |c| c.username = Some(Secret::new("CANARY".repeat(11_000))),
            "username is 66000 bytes long; MQTT has room for 65535",
        ),
        (
            |c| {
                c.username = Some(Secret::new("u"));
                c.password = Some(Secret::new("CANARY".repeat(11_000)));
            },
            "password is 66000 bytes long; MQTT has room for 65535",
        ),
        (
            |c| c.username = Some(Secret::new("CANARY\n")),
            "username is one with a control character; leave it out, it may be a line break at the end",
        ),
        (
            |c| c.window = 0,
            "window is 0; write a number from 1 to 65535",
        ),
        (
            |c| c.outbox = 0,
            "outbox is 0; nothing could be sent; write more",
        ),
        (
            |c| c.outbox_bytes = 0,
            "outbox is 0; nothing could be sent; write more",
        ),
        (
            |c| c.max_packet = 1023,
            "max_packet is 1023 bytes; write 1024 to 268435455 bytes",
        ),
        (
            |c| c.max_packet = 268_435_456,
            "max_packet is 268435456 bytes; write 1024 to 268435455 bytes",
        ),
        (
            |c| c.keep_alive = Duration::from_millis(4999),
            "keep_alive is 4.999s; write 5 to 65535 seconds",
        ),
        (
            |c| c.keep_alive = Duration::from_secs(65_536),
            "keep_alive is 65536s; write 5 to 65535 seconds",
        ),
        (
            |c| c.connect_timeout = Duration::ZERO,
            "connect_timeout is 0; write at least a second",
        ),
        (
            |c| c.backoff.min = Duration::ZERO,
            "backoff is 0ns to 30s; the first wait must be more than 0, and the longest no less than the first",
        ),
        (
            |c| c.backoff.max = Duration::from_millis(1),
            "backoff is 500ms to 1ms; the first wait must be more than 0, and the longest no less than the first",
        ),
        (
            |c| c.backoff.jitter = -0.1,
            "jitter is -0.1; write a number from 0 to 1",
        ),
        (
            |c| c.backoff.jitter = 1.1,
            "jitter is 1.1; write a number from 0 to 1",
        ),
        (
            |c| c.backoff.jitter = f64::NAN,
            "jitter is NaN; write a number from 0 to 1",
        ),
        (
            |c| {
                c.will = Some(will("a", 0));
                c.state = Some(state("b", 0));
            },
            "there is a will and a state topic, whose offline message is the will; leave one of them out",
        ),
        (
            |c| c.will = Some(will("a/+", 0)),
            r#"will: topic "a/+" has the wildcard "+" at level 2; write the name itself: wildcards belong in topic filters"#,
        ),
        (
            |c| c.state = Some(state("", 0)),
            r#"state: topic is empty; give it at least one level, such as "sensors/kitchen""#,
        ),
        (
            |c| c.will = Some(will("$SYS/a", 0)),
            r#"will is "$SYS/a"; topics that begin with "$" are the broker's; use another"#,
        ),
        (
            |c| c.state = Some(state("$a", 0)),
            r#"state is "$a"; topics that begin with "$" are the broker's; use another"#,
        ),
        (
            |c| c.will = Some(will("a", 65_536)),
            "will is 65536 bytes long; a will has room for 65535",
        ),
        (
            |c| c.state = Some(state("a", 65_536)),
            "state is 65536 bytes long; a will has room for 65535",
        ),
        (
            |c| {
                let mut mapping = OutMapping::new("a", "x/y").unwrap();
                mapping.mode = Some(Mode::Binary);
                c.version = Version::V4;
                c.mappings = whirlwind_provider_mqtt::Mappings::new(vec![], vec![mapping]);
            },
            r#"out mapping to "x/y" has mode "binary", and MQTT 3.1.1 has no properties for the attributes; write "structured" or "data", or version = 5"#,
        ),
        (
            |c| c.tls = Some(Tls::default()),
            r#"there are tls settings and the url's scheme is "mqtt"; write "mqtts""#,
        ),
        (
            |c| {
                let url = "ws://h/";
                c.url = Config::new("p", url, "c").unwrap().url;
                c.tls = Some(Tls {
                    ca: Some(PathBuf::from("ca.pem")),
                    ..Tls::default()
                });
            },
            r#"there are tls settings and the url's scheme is "ws"; write "wss""#,
        ),
    ];
    for (worsen, why) in cases {
        let mut config = config();
        config.check().unwrap();
        worsen(&mut config);
        let error = config.check().unwrap_err();
        assert_eq!(error.to_string(), *why);
        assert!(!format!("{error:?}").contains("CANARY"));
        // Whoever asks for the options is told the same.
        assert_eq!(config.options_v5().unwrap_err().to_string(), *why);
        assert_eq!(config.options_v4().unwrap_err().to_string(), *why);
    }
}

#[test]
fn the_outermost_values_make_options_of_both_versions() {
    let cases: &[fn(&mut Config)] = &[
        |_| {},
        |c| (c.client_id, c.session_expiry) = (String::new(), Duration::ZERO),
        |c| c.client_id = " ".repeat(65_535),
        |c| c.username = Some(Secret::new("u".repeat(65_535))),
        |c| {
            c.username = Some(Secret::new(""));
            c.password = Some(Secret::new("\n".repeat(65_535)));
        },
        |c| (c.window, c.outbox, c.outbox_bytes) = (1, 1, 1),
        |c| (c.window, c.outbox, c.outbox_bytes) = (u16::MAX, usize::MAX, usize::MAX),
        |c| c.max_packet = 1024,
        |c| c.max_packet = 268_435_455,
        |c| c.keep_alive = Duration::from_secs(5),
        |c| c.keep_alive = Duration::from_secs(65_535),
        |c| c.connect_timeout = Duration::from_nanos(1),
        |c| (c.connect_timeout, c.session_expiry) = (Duration::MAX, Duration::MAX),
        |c| c.backoff.max = Duration::MAX,
        |c| c.backoff.min = c.backoff.max,
        |c| c.backoff.jitter = 0.0,
        |c| c.backoff.jitter = 1.0,
        |c| c.will = Some(will("a", 65_535)),
        |c| c.state = Some(state("a", 65_535)),
    ];
    for change in cases {
        let mut config = config();
        change(&mut config);
        config.options_v5().unwrap();
        config.options_v4().unwrap();
    }
}
