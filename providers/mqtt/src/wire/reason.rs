//! Why a connection failed, in words for whoever wrote its settings.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

use super::words;

/// What is said of an error of the library. `answered` is whether the broker had taken the connection.
///
/// An error of TLS, or of the connection below, lies under several of the library's layers, which say nothing of it.
pub(super) fn of(error: &(dyn Error + 'static), answered: bool) -> String {
    of_cause(error, error, answered)
}

/// The same of one that does not name `cause` as its source.
pub(super) fn of_cause(error: &dyn Error, cause: &(dyn Error + 'static), answered: bool) -> String {
    let mut text = error.to_string();
    let mut cause = Some(cause);
    while let Some(error) = cause {
        let below = error.downcast_ref::<io::Error>();
        let tls = error.downcast_ref::<rustls::Error>().map(of_tls);
        let said = tls.or_else(|| below.and_then(|below| of_broken(below, answered)));
        if let Some(said) = said {
            return said;
        }
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        // The source of an I/O error is the one below the error that it holds.
        cause = match below.and_then(io::Error::get_ref) {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    text
}

fn of_broken(error: &io::Error, answered: bool) -> Option<String> {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let broken = [
        BrokenPipe,
        ConnectionAborted,
        ConnectionReset,
        UnexpectedEof,
    ];
    // One that holds another is not of the connection itself.
    let held = error
        .get_ref()
        .and_then(|held| held.downcast_ref::<rustls::Error>());
    if held.is_some() || !broken.contains(&error.kind()) {
        return None;
    }
    Some(match answered {
        true => format!("the connection broke: {error}"),
        false => format!(
            "the connection ended before the broker answered ({error}); see that the url's scheme is what is spoken at its port"
        ),
    })
}

fn of_tls(error: &rustls::Error) -> String {
    use AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked,
        CertificateUnknown, UnknownCA, UnsupportedCertificate,
    };
    match error {
        rustls::Error::InvalidCertificate(why) => {
            format!(
                "the broker's certificate is refused: {}",
                of_certificate(why)
            )
        }
        rustls::Error::AlertReceived(CertificateRequired) => {
            "the broker wants a certificate of the client; name one with `tls.cert` and `tls.key`"
                .to_owned()
        }
        rustls::Error::AlertReceived(UnknownCA) => {
            "the broker refuses the client's certificate: it does not know who has signed it"
                .to_owned()
        }
        rustls::Error::AlertReceived(CertificateExpired) => {
            "the broker refuses the client's certificate: it has expired".to_owned()
        }
        rustls::Error::AlertReceived(
            alert @ (AccessDenied
            | BadCertificate
            | CertificateRevoked
            | CertificateUnknown
            | UnsupportedCertificate),
        ) => format!(
            "the broker refuses the client's certificate: {}",
            words(alert)
        ),
        rustls::Error::AlertReceived(alert) => format!("the broker ended TLS: {}", words(alert)),
        rustls::Error::InvalidMessage(_) => "what answers there does not speak TLS".to_owned(),
        error => format!("TLS failed: {error}"),
    }
}

fn of_certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".to_owned()
        }
        CertificateError::UnknownIssuer => {
            "no authority that is trusted has signed it; name its own with `tls.ca`".to_owned()
        }
        CertificateError::BadSignature => {
            "the authority that it names has not signed it".to_owned()
        }
        CertificateError::Revoked => "it is revoked".to_owned(),
        why => why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(error: impl Error + Send + Sync + 'static) -> rumqttc::ConnectionError {
        let kind = io::ErrorKind::InvalidData;
        rumqttc::ConnectionError::Tls(rumqttc::TlsError::Io(io::Error::new(kind, error)))
    }

    #[test]
    fn what_lies_under_the_librarys_layers_is_said_in_words() {
        let alert = rustls::Error::AlertReceived;
        let certificate = rustls::Error::InvalidCertificate;
        for (error, begin) in [
            (
                certificate(CertificateError::UnknownIssuer),
                "the broker's certificate is refused: no authority",
            ),
            (
                certificate(CertificateError::Expired),
                "the broker's certificate is refused: it has expired",
            ),
            (
                certificate(CertificateError::Revoked),
                "the broker's certificate is refused: it is revoked",
            ),
            (
                alert(AlertDescription::CertificateRequired),
                "the broker wants a certificate of the client",
            ),
            (
                alert(AlertDescription::CertificateRevoked),
                "the broker refuses the client's certificate: certificate revoked",
            ),
            (
                alert(AlertDescription::ProtocolVersion),
                "the broker ended TLS: protocol version",
            ),
            (
                rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType),
                "what answers there does not speak TLS",
            ),
        ] {
            let said = of(&wrapped(error), false);
            assert!(said.starts_with(begin), "{said}");
        }
    }

    #[test]
    fn a_broken_connection_is_told_from_one_that_was_never_taken() {
        let error = || rumqttc::ConnectionError::Io(io::ErrorKind::ConnectionReset.into());
        assert_eq!(of(&error(), true), "the connection broke: connection reset");
        assert!(of(&error(), false).contains("the url's scheme"));
        // Nobody there is another thing.
        let error = rumqttc::ConnectionError::Io(io::ErrorKind::ConnectionRefused.into());
        assert_eq!(of(&error, false), "I/O: connection refused");
    }
}
