//! URLs of brokers, and what is never shown of them.

use whirlwind_provider_mqtt::{BrokerUrl, Config, Scheme, Secret};

#[test]
fn a_url_says_how_and_where() {
    for (text, scheme, host, port, shown) in [
        (
            "mqtt://localhost",
            Scheme::Mqtt,
            "localhost",
            1883,
            "mqtt://localhost:1883",
        ),
        (
            "tcp://localhost/",
            Scheme::Mqtt,
            "localhost",
            1883,
            "mqtt://localhost:1883",
        ),
        (
            "mqtts://localhost",
            Scheme::Mqtts,
            "localhost",
            8883,
            "mqtts://localhost:8883",
        ),
        (
            "ssl://localhost:1",
            Scheme::Mqtts,
            "localhost",
            1,
            "mqtts://localhost:1",
        ),
        (
            "ws://localhost",
            Scheme::Ws,
            "localhost",
            80,
            "ws://localhost:80/",
        ),
        (
            "wss://localhost/mqtt",
            Scheme::Wss,
            "localhost",
            443,
            "wss://localhost:443/mqtt",
        ),
        (
            "MQTT://LocalHost:80",
            Scheme::Mqtt,
            "localhost",
            80,
            "mqtt://localhost:80",
        ),
        (
            "mqtt://10.0.0.1:65535",
            Scheme::Mqtt,
            "10.0.0.1",
            65535,
            "mqtt://10.0.0.1:65535",
        ),
        (
            "ws://10.0.0.1:443/",
            Scheme::Ws,
            "10.0.0.1",
            443,
            "ws://10.0.0.1:443/",
        ),
        (
            "mqtt://[::1]",
            Scheme::Mqtt,
            "::1",
            1883,
            "mqtt://[::1]:1883",
        ),
        (
            "mqtts://[2001:DB8:0::1]:9",
            Scheme::Mqtts,
            "2001:db8::1",
            9,
            "mqtts://[2001:db8::1]:9",
        ),
        (
            "ws://[::1]:9001/mqtt",
            Scheme::Ws,
            "::1",
            9001,
            "ws://[::1]:9001/mqtt",
        ),
        // Names of containers.
        (
            "mqtt://my_broker-1",
            Scheme::Mqtt,
            "my_broker-1",
            1883,
            "mqtt://my_broker-1:1883",
        ),
        // The same name whatever the scheme.
        (
            "mqtt://zürich.example",
            Scheme::Mqtt,
            "xn--zrich-kva.example",
            1883,
            "mqtt://xn--zrich-kva.example:1883",
        ),
        (
            "ws://zürich.example/",
            Scheme::Ws,
            "xn--zrich-kva.example",
            80,
            "ws://xn--zrich-kva.example:80/",
        ),
    ] {
        let (url, username, password) = BrokerUrl::parse(text).unwrap();
        assert_eq!(
            (url.scheme(), url.host(), url.port()),
            (scheme, host, port),
            "{text}"
        );
        assert_eq!(url.to_string(), shown);
        assert_eq!((username, password), (None, None));
        assert_eq!(url.scheme().is_web(), text.starts_with("ws"));
    }
    let (url, ..) = BrokerUrl::parse("wss://h/a%20b?c=d&e").unwrap();
    assert_eq!(url.path(), "/a%20b?c=d&e");
}

#[test]
fn a_user_and_a_password_are_percent_decoded() {
    for (text, user, word) in [
        ("mqtt://u@h", Some("u"), None),
        ("mqtt://u:@h", Some("u"), None),
        ("mqtt://u:p@h", Some("u"), Some("p")),
        ("mqtt://:p@h", None, Some("p")),
        ("mqtt://a%40b:p%3A%2F%40@h", Some("a@b"), Some("p:/@")),
        ("mqtt://%C3%BC:%F0%9F%8C%80@h", Some("ü"), Some("🌀")),
        ("ws://ü:🌀@h", Some("ü"), Some("🌀")),
        // The last "@" ends it, and a "%" that begins nothing is one.
        ("mqtt://u:p@q@h", Some("u"), Some("p@q")),
        ("mqtt://u:100%@h", Some("u"), Some("100%")),
        ("mqtt://u:%zz%2@h", Some("u"), Some("%zz%2")),
        ("mqtt://u:%2525@h", Some("u"), Some("%25")),
    ] {
        let (url, username, password) = BrokerUrl::parse(text).unwrap();
        assert_eq!(username.as_ref().map(Secret::expose), user, "{text}");
        assert_eq!(password.as_ref().map(Secret::expose), word, "{text}");
        assert_eq!(url.host(), "h");
        let config = Config::new("p", text, "c").unwrap();
        assert_eq!((config.username, config.password), (username, password));
    }
}

#[test]
fn what_is_no_url_of_a_broker_is_told_how_to_mend_it_and_no_password_is_shown() {
    const MEND: &str = r#"; write one such as "mqtt://localhost:1883""#;
    for (text, why) in [
        ("", "the url cannot be read (relative URL without a base)"),
        (
            "localhost",
            "the url cannot be read (relative URL without a base)",
        ),
        (
            "//u:CANARY@h",
            "the url cannot be read (relative URL without a base)",
        ),
        (
            "mqtt://u:CANARY@h:99999",
            "the url cannot be read (invalid port number)",
        ),
        (
            "mqtt://u:CANARY@h:port",
            "the url cannot be read (invalid port number)",
        ),
        // The slash ends the host, which was to be the user.
        (
            "mqtt://u:CANARY/x@h",
            "the url cannot be read (invalid port number)",
        ),
        (
            "mqtt://u:CANARY@a b",
            "the url cannot be read (invalid domain character)",
        ),
        (
            "mqtt://u:CANARY@[::1",
            "the url cannot be read (invalid IPv6 address)",
        ),
        (
            "mqtt://u:CANARY@[1::2::3]",
            "the url cannot be read (invalid IPv6 address)",
        ),
        (
            "mqtt://u:CANARY@1.2.3.999",
            "the url cannot be read (invalid IPv4 address)",
        ),
        ("mqtt://u:CANARY@", "the url cannot be read (empty host)"),
        ("mqtt://", "the url has no host"),
        ("mqtt:u:CANARY@h", "the url has no host"),
        ("mqtt:/u:CANARY@h", "the url has no host"),
    ] {
        let error = BrokerUrl::parse(text).unwrap_err();
        let shown = error.to_string();
        assert!(
            !format!("{shown} {error:?}").contains("CANARY"),
            "{error:?}"
        );
        assert_eq!(shown, format!("{why}{MEND}"), "{text}");
    }
    for (text, why) in [
        (
            "http://u:CANARY@h",
            r#"the url's scheme is "http"; write "mqtt", "mqtts", "ws" or "wss""#,
        ),
        // As one writes it who forgets the scheme.
        (
            "u:CANARY@h",
            r#"the url's scheme is "u"; write "mqtt", "mqtts", "ws" or "wss""#,
        ),
        (
            "localhost:1883",
            r#"the url's scheme is "localhost"; write "mqtt", "mqtts", "ws" or "wss""#,
        ),
        (
            "mqtt://u:CANARY@h/topic",
            r#"the url has a path, which "mqtt" has no use for; leave it out"#,
        ),
        (
            "ssl://u:CANARY@h?a=CANARY",
            r#"the url has a query, which "mqtts" has no use for; leave it out"#,
        ),
        (
            "wss://u:CANARY@h/#CANARY",
            r#"the url has a fragment, which "wss" has no use for; leave it out"#,
        ),
        (
            "mqtt://%FF:CANARY@h",
            "the url's user is not UTF-8 when its percent-encoding is undone",
        ),
        (
            "mqtt://u:CANARY%FF@h",
            "the url's password is not UTF-8 when its percent-encoding is undone",
        ),
    ] {
        let error = Config::new("p", text, "c").unwrap_err();
        let shown = error.to_string();
        assert!(
            !format!("{shown} {error:?}").contains("CANARY"),
            "{error:?}"
        );
        assert_eq!(shown, why, "{text}");
    }
}

#[test]
fn nothing_printed_of_a_config_has_the_user_the_password_or_the_query() {
    let mut config = Config::new("p", "wss://CANARY:CANARY@h/mqtt?sig=CANARY", "c").unwrap();
    assert_eq!(config.url.to_string(), "wss://h:443/mqtt");
    assert!(config.url.path().contains("CANARY"));
    for _ in 0..2 {
        let shown = format!("{config:?} {config:#?} {}", config.url);
        assert!(!shown.contains("CANARY"), "{shown}");
        // Set from elsewhere, too.
        config.username = Some(Secret::new("CANARY"));
        config.password = Some(Secret::new("CANARY"));
    }
    assert_eq!(format!("{:?}", Secret::new("CANARY")), "Secret");
}
