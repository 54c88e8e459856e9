//! Certificates and keys in files, and what is said of others.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use whirlwind_provider_mqtt::{Config, Tls};

fn file(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/config/tls").join(name)
}

fn outcome(tls: Tls) -> Result<(), String> {
    let mut config = Config::new("p", "mqtts://localhost", "c").unwrap();
    config.tls = Some(tls);
    // A file is opened only when it is needed.
    config.check().unwrap();
    let v5 = config.options_v5().map(drop).map_err(|e| e.to_string());
    let v4 = config.options_v4().map(drop).map_err(|e| e.to_string());
    assert_eq!(v5, v4);
    v5
}

#[test]
fn an_authority_and_a_client_certificate_with_its_key_are_taken() {
    let ca = Some(file("client.pem"));
    let (cert, key) = (Some(file("client.pem")), Some(file("client.key")));
    let only_ca = Tls {
        ca: ca.clone(),
        ..Tls::default()
    };
    outcome(only_ca).unwrap();
    outcome(Tls { ca, cert, key }).unwrap();
}

#[test]
fn half_an_identity_is_told_what_it_lacks() {
    let ca = Some(file("client.pem"));
    let half = Tls {
        ca: ca.clone(),
        cert: Some(file("client.pem")),
        key: None,
    };
    assert_eq!(
        outcome(half).unwrap_err(),
        "tls has a cert and no key; a client's certificate needs both"
    );
    let half = Tls {
        ca,
        cert: None,
        key: Some(file("client.key")),
    };
    assert_eq!(
        outcome(half).unwrap_err(),
        "tls has a key and no cert; a client's certificate needs both"
    );
}

#[test]
fn a_file_that_is_not_there_or_holds_something_else_is_named() {
    let dir = TempDir::new().unwrap();
    let missing = dir.path().join("missing.pem");
    let garbage = dir.path().join("garbage.pem");
    let torn = dir.path().join("torn.pem");
    let broken = dir.path().join("broken.pem");
    std::fs::write(&garbage, "CANARY").unwrap();
    let begin = "-----BEGIN CERTIFICATE-----\n";
    let end = "-----END CERTIFICATE-----\n";
    std::fs::write(&torn, format!("{begin}CANARY")).unwrap();
    std::fs::write(&broken, format!("{begin}AAAA\n{end}")).unwrap();
    let good = |name: &str| file(name);
    for (ca, cert, key, what, path, why) in [
        (&missing, None, None, "ca", &missing, "No such file"),
        (
            &garbage,
            None,
            None,
            "ca",
            &garbage,
            "no certificate is in it, in PEM",
        ),
        (&torn, None, None, "ca", &torn, "it is not PEM"),
        (
            &broken,
            None,
            None,
            "ca",
            &broken,
            "a certificate in it cannot be used",
        ),
        // A directory.
        (
            &dir.path().to_owned(),
            None,
            None,
            "ca",
            &dir.path().to_owned(),
            "",
        ),
        (
            &good("client.key"),
            None,
            None,
            "ca",
            &good("client.key"),
            "no certificate is in it, in PEM",
        ),
        (
            &good("client.pem"),
            Some(&missing),
            Some(&good("client.key")),
            "cert",
            &missing,
            "No such file",
        ),
        (
            &good("client.pem"),
            Some(&garbage),
            Some(&good("client.key")),
            "cert",
            &garbage,
            "no certificate is in it",
        ),
        (
            &good("client.pem"),
            Some(&good("client.pem")),
            Some(&missing),
            "key",
            &missing,
            "No such file",
        ),
        (
            &good("client.pem"),
            Some(&good("client.pem")),
            Some(&garbage),
            "key",
            &garbage,
            "no private key without a passphrase is in it, in PEM",
        ),
        (
            &good("client.pem"),
            Some(&good("client.pem")),
            Some(&good("client.pem")),
            "key",
            &good("client.pem"),
            "no private key without a passphrase is in it, in PEM",
        ),
        (
            &good("client.pem"),
            Some(&good("client.pem")),
            Some(&good("other.key")),
            "cert",
            &good("client.pem"),
            "it does not go with its key",
        ),
    ] {
        let error = outcome(Tls {
            ca: Some(ca.clone()),
            cert: cert.cloned(),
            key: key.cloned(),
        })
        .unwrap_err();
        let begin = format!("tls {what} {}: {why}", path.display());
        assert!(error.starts_with(&begin), "{error}");
        assert!(!error.contains("CANARY"), "{error}");
    }
}

#[test]
fn a_key_with_a_passphrase_is_told_to_have_one() {
    let locked = Tls {
        ca: Some(file("client.pem")),
        cert: Some(file("client.pem")),
        key: Some(file("locked.key")),
    };
    let error = outcome(locked).unwrap_err();
    assert!(error.contains("without a passphrase"), "{error}");
}
