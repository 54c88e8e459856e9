//! A broker starts, stops, and starts again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use common::{Five, broker, free};
use whirlwind_provider_mqtt_broker::{Broker, Config, StartError};

#[tokio::test]
async fn a_stopped_broker_leaves_its_port_and_starts_on_it_again() {
    let first = broker().await;
    let listen = first.address();
    let mut client = Five::connect(Five::options(&first, "client")).await;
    first.stop().await;
    client.cut().await;
    TcpListener::bind(listen).unwrap();

    for _ in 0..3 {
        let again = Broker::start(Config { listen, ..free() }).await.unwrap();
        assert_eq!(again.address(), listen);
        Five::connect(Five::options(&again, "client")).await;
        again.stop().await;
    }
}

#[tokio::test]
async fn it_stops_with_a_connection_that_never_said_a_word() {
    let broker = broker().await;
    let silent = tokio::net::TcpStream::connect(broker.address())
        .await
        .unwrap();
    broker.stop().await;
    broker.stop().await;
    broker.ended().await;
    TcpListener::bind(broker.address()).unwrap();
    drop(silent);
}

#[tokio::test]
async fn a_dropped_broker_ends() {
    let broker = broker().await;
    let mut client = Five::connect(Five::options(&broker, "client")).await;
    drop(broker);
    client.cut().await;
}

#[tokio::test]
async fn an_address_that_others_reach_is_refused_unless_allowed() {
    let listen = SocketAddr::from(([0, 0, 0, 0], 0));
    let refused = Broker::start(Config {
        listen,
        ..Config::default()
    })
    .await
    .unwrap_err();
    assert!(
        matches!(refused, StartError::Remote { address } if address == listen),
        "{refused}"
    );
    assert!(refused.to_string().contains("0.0.0.0:0"), "{refused}");

    let allowed = Broker::start(Config {
        listen,
        allow_remote: true,
        ..Config::default()
    })
    .await
    .unwrap();
    allowed.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_an_error_with_its_address() {
    let first = broker().await;
    let listen = first.address();
    let refused = Broker::start(Config { listen, ..free() })
        .await
        .unwrap_err();
    let StartError::Bind { address, source } = &refused else {
        panic!("{refused}")
    };
    assert_eq!((*address, source.kind()), (listen, ErrorKind::AddrInUse));
    assert!(
        refused.to_string().contains(&listen.to_string()),
        "{refused}"
    );
    first.stop().await;
}

#[tokio::test]
async fn a_configuration_that_it_refuses_is_an_error() {
    let refused = Broker::start(Config {
        max_packet: 10,
        ..free()
    })
    .await
    .unwrap_err();
    assert!(matches!(refused, StartError::Refused { .. }), "{refused}");
}
