//! mosquitto and TLS, in both versions of MQTT: nobody is taken for who he is not, and what is wrong is said.

use std::fs::write;
use std::path::Path;

use tokio_rustls::rustls::version::{TLS12, TLS13};
use whirlwind_peers::Mosquitto;

use crate::broker::Broker;
use crate::certificates::{Authority, Identity};
use crate::gate::{Gate, Way};
use crate::round::{Papers, VERSIONS, bad, config, good};

/// One that shows this certificate, and wants one of this authority if there is one.
fn broker(server: &Identity, clients: Option<&Authority>) -> Option<Mosquitto> {
    Mosquitto::start_with(|folder| settings(folder, server, clients))
}

fn settings(folder: &Path, server: &Identity, clients: Option<&Authority>) -> String {
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        write(&path, text).unwrap();
        path.display().to_string()
    };
    let mut lines = format!(
        "allow_anonymous true\ncertfile {}\nkeyfile {}\n",
        file("server.pem", &server.cert),
        file("server.key", &server.key),
    );
    if let Some(clients) = clients {
        let ca = file("clients.pem", &clients.pem());
        lines.push_str(&format!("cafile {ca}\nrequire_certificate true\n"));
    }
    lines
}

fn secure(broker: &Mosquitto) -> String {
    format!("mqtts://localhost:{}", broker.port())
}

/// That it is refused in both versions, for a reason that has one of these words.
async fn refused(url: &str, papers: Option<&Papers>, words: &[&str]) {
    for version in VERSIONS {
        let tls = papers.map(|papers| papers.tls.clone());
        for reason in bad(config(url, version, tls)).await {
            let said = words.iter().any(|word| reason.contains(word));
            assert!(said, "{version:?}: {reason}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_its_authority_vouches_for_is_taken() {
    let ours = Authority::new("ours");
    let Some(broker) = broker(&ours.vouch("localhost"), None) else {
        return;
    };
    let papers = Papers::trust(&ours);
    for version in VERSIONS {
        good(config(&secure(&broker), version, Some(papers.tls.clone()))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn either_version_of_tls_will_do() {
    let ours = Authority::new("ours");
    let broker = Broker::mosquitto().await;
    let papers = Papers::trust(&ours);
    for tls in [&TLS12, &TLS13] {
        let way = Way::Secure(ours.vouch("localhost").acceptor(&[tls]));
        let gate = Gate::new(way, broker.port()).await;
        let url = format!("mqtts://localhost:{}", gate.port());
        for version in VERSIONS {
            good(config(&url, version, Some(papers.tls.clone()))).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_whose_certificate_is_over_is_refused() {
    let ours = Authority::new("ours");
    let Some(broker) = broker(&ours.vouched("localhost"), None) else {
        return;
    };
    let papers = Papers::trust(&ours);
    refused(
        &secure(&broker),
        Some(&papers),
        &["the broker's certificate is refused: it has expired"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_of_another_name_is_refused() {
    let ours = Authority::new("ours");
    // An address is no name, whoever has it.
    for (name, host) in [("elsewhere.test", "localhost"), ("localhost", "127.0.0.1")] {
        let Some(broker) = broker(&ours.vouch(name), None) else {
            return;
        };
        let url = format!("mqtts://{host}:{}", broker.port());
        let said = format!("not valid for name \"{host}\"");
        refused(&url, Some(&Papers::trust(&ours)), &[&said]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_of_another_authority_is_refused_whatever_that_is_called() {
    let (ours, namesake, theirs) = (
        Authority::new("ours"),
        Authority::new("ours"),
        Authority::new("theirs"),
    );
    for (authority, words) in [
        (
            theirs,
            ["no authority that is trusted has signed it; name its own with `tls.ca`"],
        ),
        (namesake, ["the authority that it names has not signed it"]),
    ] {
        let Some(broker) = broker(&authority.vouch("localhost"), None) else {
            return;
        };
        refused(&secure(&broker), Some(&Papers::trust(&ours)), &words).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_the_certificate_that_is_wanted_is_taken() {
    let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
    let Some(broker) = broker(&ours.vouch("localhost"), Some(&clients)) else {
        return;
    };
    let papers = Papers::trust(&ours).known_as(&clients.vouch("gateway"));
    for version in VERSIONS {
        good(config(&secure(&broker), version, Some(papers.tls.clone()))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_the_certificate_that_is_wanted_is_told() {
    let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
    let Some(broker) = broker(&ours.vouch("localhost"), Some(&clients)) else {
        return;
    };
    // With TLS 1.3 the client has had its say by then, and may find the connection closed before it reads why.
    let closed = "ended before the broker answered";
    let none = Papers::trust(&ours);
    let wanted = "the broker wants a certificate of the client; name one with `tls.cert`";
    refused(&secure(&broker), Some(&none), &[wanted, closed]).await;
    // Neither one of an authority that the broker does not know, nor one that is over, is any better.
    let theirs = Papers::trust(&ours).known_as(&ours.vouch("gateway"));
    let unknown = "refuses the client's certificate: it does not know who has signed it";
    refused(&secure(&broker), Some(&theirs), &[unknown, closed]).await;
    let over = Papers::trust(&ours).known_as(&clients.vouched("gateway"));
    let expired = "refuses the client's certificate: it has expired";
    refused(&secure(&broker), Some(&over), &[expired, closed]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_at_a_port_with_it_there_is_no_link() {
    let ours = Authority::new("ours");
    let Some(broker) = broker(&ours.vouch("localhost"), None) else {
        return;
    };
    refused(&broker.url(), None, &["see that the url's scheme"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_at_a_port_without_it_there_is_no_link() {
    let ours = Authority::new("ours");
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    refused(
        &secure(&broker),
        Some(&Papers::trust(&ours)),
        &["see that the url's scheme"],
    )
    .await;
}
