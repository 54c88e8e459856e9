//! What the client is told.

use std::time::Duration;

use rumqttc::Transport;
use whirlwind_provider_mqtt::{Config, MAX_IN_FLIGHT, Qos, Secret, StateTopic, Will};

fn config(url: &str) -> Config {
    Config::new("p", url, "client").unwrap()
}

#[test]
fn the_client_of_either_version_acknowledges_by_hand_and_keeps_to_the_bounds() {
    let mut config = config("mqtt://h:1");
    config.keep_alive = Duration::from_secs(7);
    config.window = 9;
    config.max_packet = 4096;
    config.session_expiry = Duration::from_millis(1500);
    config.connect_timeout = Duration::from_millis(2500);

    let v5 = config.options_v5().unwrap();
    assert!(v5.manual_acks());
    assert_eq!(v5.broker_address(), ("h".to_owned(), 1));
    assert_eq!(v5.client_id(), "client");
    assert_eq!(v5.keep_alive(), Duration::from_secs(7));
    assert_eq!(v5.receive_maximum(), Some(9));
    assert_eq!(v5.max_packet_size(), Some(4096));
    // Not less than was asked for.
    assert_eq!(v5.session_expiry_interval(), Some(2));
    assert_eq!(v5.connection_timeout(), 3);
    assert_eq!(v5.get_outgoing_inflight_upper_limit(), Some(MAX_IN_FLIGHT));
    // No aliases, which a broker could fill memory with.
    assert_eq!(v5.topic_alias_max(), None);
    assert!(!v5.clean_start());
    assert!(v5.credentials().is_none() && v5.last_will().is_none());

    let v4 = config.options_v4().unwrap();
    assert!(v4.manual_acks());
    assert_eq!(v4.broker_address(), ("h".to_owned(), 1));
    assert_eq!(v4.client_id(), "client");
    assert_eq!(v4.keep_alive(), Duration::from_secs(7));
    assert_eq!(v4.max_packet_size(), 4096);
    assert_eq!(v4.inflight(), MAX_IN_FLIGHT);
    assert!(!v4.clean_session());
    assert!(v4.credentials().is_none() && v4.last_will().is_none());
    assert_eq!(config.network_options().connection_timeout(), 3);
}

#[test]
fn a_session_that_is_not_kept_begins_anew_and_one_for_ever_is_kept_for_ever() {
    let mut config = config("mqtt://h");
    for (expiry, told) in [
        (Duration::ZERO, 0),
        (Duration::from_nanos(1), 1),
        (Duration::from_secs(86_400), 86_400),
        (Duration::from_secs(u64::from(u32::MAX) + 1), u32::MAX),
        // For MQTT 5 this is for ever (3.1.2.11.2).
        (Duration::MAX, u32::MAX),
    ] {
        config.session_expiry = expiry;
        let v5 = config.options_v5().unwrap();
        assert_eq!(v5.session_expiry_interval(), Some(told));
        assert_eq!(v5.clean_start(), expiry.is_zero());
        let v4 = config.options_v4().unwrap();
        assert_eq!(v4.clean_session(), expiry.is_zero());
    }
}

#[test]
fn the_user_and_the_password_are_those_of_the_url_unless_set() {
    let mut config = config("mqtt://u:p%40@h");
    for (user, word) in [("u", "p@"), ("other", "word"), ("other", "")] {
        let v5 = config.options_v5().unwrap().credentials().unwrap();
        assert_eq!((&*v5.username, &*v5.password), (user, word));
        let v4 = config.options_v4().unwrap().credentials().unwrap();
        assert_eq!((&*v4.username, &*v4.password), (user, word));
        config.password = match config.username.replace(Secret::new("other")) {
            Some(before) if before.expose() == "u" => Some(Secret::new("word")),
            _ => None,
        };
    }
}

#[test]
fn the_will_is_as_set_or_the_last_word_of_the_state() {
    let will = Will {
        topic: "will".into(),
        payload: "gone".into(),
        qos: Qos::ExactlyOnce,
        retain: false,
    };
    let state = StateTopic {
        topic: "state".into(),
        online: "on".into(),
        offline: "off".into(),
        qos: Qos::AtMostOnce,
    };
    let mut config = config("mqtt://h");
    for (set, topic, payload, level, retain) in [
        ((Some(will), None), "will", "gone", 2, false),
        ((None, Some(state)), "state", "off", 0, true),
    ] {
        (config.will, config.state) = set;
        let v5 = config.options_v5().unwrap().last_will().unwrap();
        assert_eq!(
            (&v5.topic[..], &v5.message[..]),
            (topic.as_bytes(), payload.as_bytes())
        );
        assert_eq!((Qos::from(v5.qos).level(), v5.retain), (level, retain));
        assert_eq!(v5.properties, None);
        let v4 = config.options_v4().unwrap().last_will().unwrap();
        assert_eq!((&*v4.topic, &v4.message[..]), (topic, payload.as_bytes()));
        assert_eq!((Qos::from(v4.qos).level(), v4.retain), (level, retain));
    }
}

#[test]
fn each_scheme_has_its_transport_and_a_websocket_its_whole_url() {
    let ca = format!("{}/tests/config/tls/client.pem", env!("CARGO_MANIFEST_DIR"));
    for (url, address) in [
        ("mqtt://u:p@[::1]", "::1"),
        ("mqtts://h", "h"),
        ("ws://u:p@h/mqtt?token=1", "ws://h:80/mqtt?token=1"),
        ("wss://[::1]:9/", "wss://[::1]:9/"),
    ] {
        let mut config = config(url);
        if config.url.scheme().is_secure() {
            let ca = Some(ca.clone().into());
            config.tls = Some(whirlwind_provider_mqtt::Tls {
                ca,
                ..whirlwind_provider_mqtt::Tls::default()
            });
        }
        let v5 = config.options_v5().unwrap();
        let v4 = config.options_v4().unwrap();
        for (found, transport) in [
            (v5.broker_address().0, v5.transport()),
            (v4.broker_address().0, v4.transport()),
        ] {
            assert_eq!(found, address);
            let kind = match transport {
                Transport::Tcp => "mqtt:",
                Transport::Tls(_) => "mqtts:",
                Transport::Ws => "ws:",
                Transport::Wss(_) => "wss:",
                _ => "other",
            };
            assert!(url.starts_with(kind), "{url} {kind}");
        }
    }
}
