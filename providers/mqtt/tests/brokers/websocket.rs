//! WebSockets, which mosquitto as Debian has it does not speak: a gate in front of it does.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::rustls::ALL_VERSIONS;
use whirlwind_provider_api::{Link, Messaging};
use whirlwind_provider_mqtt::Mqtt;

use crate::BOUND;
use crate::broker::Broker;
use crate::certificates::Authority;
use crate::gate::{Gate, PATH, Way};
use crate::round::{Papers, VERSIONS, bad, config, good, received, send, up};

fn url(gate: &Gate) -> String {
    format!("ws://127.0.0.1:{}{PATH}", gate.port())
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_both_ways() {
    for broker in [Broker::mosquitto().await, Broker::embedded().await] {
        let gate = Gate::new(Way::Web(Some("mqtt")), broker.port()).await;
        for version in VERSIONS {
            good(config(&url(&gate), version, None)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_only_the_server_that_is_vouched_for_is_taken() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let broker = Broker::mosquitto().await;
    let way = Way::SecureWeb(ours.vouch("localhost").acceptor(ALL_VERSIONS));
    let gate = Gate::new(way, broker.port()).await;
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("wss://{host}:{}{PATH}", gate.port());
        for version in VERSIONS {
            let mut config = config(&url, version, None);
            for (authority, refused) in [
                (&ours, "not valid for name"),
                (&theirs, "no authority that is trusted"),
            ] {
                let papers = Papers::trust(authority);
                config.tls = Some(papers.tls.clone());
                if host == "localhost" && std::ptr::eq(authority, &ours) {
                    good(config.clone()).await;
                    continue;
                }
                for reason in bad(config.clone()).await {
                    assert!(reason.contains(refused), "{version:?} {host}: {reason}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_of_the_bridge_loses_nothing() {
    const EACH: usize = 20;
    for version in VERSIONS {
        let broker = Broker::mosquitto().await;
        let gate = Gate::new(Way::Web(Some("mqtt")), broker.port()).await;
        let mqtt = Mqtt::start(config(&url(&gate), version, None)).unwrap();
        up(&mqtt).await;
        let mut handovers = Vec::new();
        let mut next = 0;
        for round in 0..3 {
            for number in 0..EACH {
                handovers.push(send(&mqtt, &(round * EACH + number).to_string()));
            }
            gate.cut();
            let mut link = mqtt.link();
            let down = link.wait_for(|link| matches!(link, Link::Down { .. }));
            timeout(BOUND, down).await.unwrap().unwrap();
            gate.restore();
            up(&mqtt).await;
            // Each once or more, for the first time in order.
            while next < (round + 1) * EACH {
                let number: usize = received(&mqtt).await.parse().unwrap();
                assert!(number <= next, "{number} came where {next} was due");
                next = next.max(number + 1);
            }
        }
        for handover in handovers {
            timeout(BOUND, handover).await.unwrap().unwrap();
        }
        assert_eq!(mqtt.counts().reconnects, 3);
        mqtt.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_agree_on_mqtt_is_named_as_such() {
    let broker = Broker::embedded().await;
    for (subprotocol, said) in [
        (None, "Server sent no subprotocol"),
        (Some("amqp"), "Server sent an invalid subprotocol"),
    ] {
        let gate = Gate::new(Way::Web(subprotocol), broker.port()).await;
        for version in VERSIONS {
            for reason in bad(config(&url(&gate), version, None)).await {
                assert!(reason.contains(said), "{version:?} {reason}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_no_websocket_is_named_as_such() {
    // A broker without WebSockets, and a web server without a broker.
    let broker = Broker::mosquitto().await;
    let (web, serving) = web_server("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    let (noise, noisy) = web_server("SSH-2.0-OpenSSH_9.2\r\n").await;
    for (port, words) in [
        (broker.port(), "see that the url's scheme"),
        (web, "404"),
        (noise, "invalid HTTP version"),
    ] {
        for version in VERSIONS {
            let url = format!("ws://127.0.0.1:{port}{PATH}");
            for reason in bad(config(&url, version, None)).await {
                assert!(reason.contains(words), "{version:?} {reason}");
            }
        }
    }
    serving.abort();
    noisy.abort();
}

/// Answers every request with this.
async fn web_server(answer: &'static str) -> (u16, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (port, serving)
}
