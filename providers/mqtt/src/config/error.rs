use std::io;
use std::path::PathBuf;

use thiserror::Error;
use whirlwind_event::{Excerpt, TopicError};

/// Why a provider cannot be made as it was described. No message shows a password.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not a URL. It is not shown: where its password stands is not known.
    #[error("the url cannot be read ({reason}); write one such as \"mqtt://localhost:1883\"")]
    Url {
        /// In the parser's words.
        reason: String,
    },

    /// A scheme that is not MQTT's.
    #[error("the url's scheme is {scheme}; write \"mqtt\", \"mqtts\", \"ws\" or \"wss\"")]
    Scheme {
        /// As written.
        scheme: Excerpt,
    },

    /// No host.
    #[error("the url has no host; write one such as \"mqtt://localhost:1883\"")]
    NoHost,

    /// A part that the scheme has no use for.
    #[error("the url has a {part}, which \"{scheme}\" has no use for; leave it out")]
    UrlPart {
        /// `path`, `query` or `fragment`.
        part: &'static str,
        /// The scheme.
        scheme: &'static str,
    },

    /// The user or the password in the URL is not percent-encoded UTF-8.
    #[error("the url's {part} is not UTF-8 when its percent-encoding is undone")]
    UrlUser {
        /// `user` or `password`.
        part: &'static str,
    },

    /// A password without a user.
    #[error("there is a password and no username; add the username")]
    NoUsername,

    /// A value that MQTT or the client cannot have.
    #[error("{setting} is {value}; {remedy}")]
    Setting {
        /// Its name in the manifest.
        setting: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        remedy: &'static str,
    },

    /// The topic of the will, or of the state.
    #[error("{setting}: {error}")]
    Topic {
        /// `will` or `state`.
        setting: &'static str,
        /// What is wrong with it.
        #[source]
        error: TopicError,
    },

    /// Both a will and a state topic, which is one.
    #[error(
        "there is a will and a state topic, whose offline message is the will; leave one of them out"
    )]
    TwoWills,

    /// Binary mode on 3.1.1.
    #[error(
        "out mapping to {target} has mode \"binary\", and MQTT 3.1.1 has no properties for the attributes; write \"structured\" or \"data\", or version = 5"
    )]
    BinaryMode {
        /// The mapping's MQTT topic.
        target: Excerpt,
    },

    /// Ids out of user properties on 3.1.1.
    #[error(
        "in mapping of {filter} takes the id from a user property, and MQTT 3.1.1 has none; write id = {{ field = \"/...\" }}, which is in the payload, or version = 5"
    )]
    IdProperty {
        /// Which of the in mappings, from 0.
        index: usize,
        /// What it subscribes to.
        filter: Excerpt,
    },

    /// A place for ids of plain messages where there are none.
    #[error(
        "in mapping of {filter} has an id and format \"cloudevents\", and every CloudEvent has an id of its own; leave the id out"
    )]
    IdOfEvents {
        /// Which of the in mappings, from 0.
        index: usize,
        /// What it subscribes to.
        filter: Excerpt,
    },

    /// Certificates for a connection without TLS.
    #[error("there are tls settings and the url's scheme is \"{scheme}\"; write \"{secure}\"")]
    TlsUnused {
        /// The scheme.
        scheme: &'static str,
        /// The one with TLS.
        secure: &'static str,
    },

    /// A certificate without its key, or a key without its certificate.
    #[error("tls has a {has} and no {lacks}; a client's certificate needs both")]
    HalfIdentity {
        /// `cert` or `key`.
        has: &'static str,
        /// The other.
        lacks: &'static str,
    },

    /// A file that cannot be read.
    #[error("tls {what} {}: {error}", path.display())]
    File {
        /// `ca`, `cert` or `key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },

    /// A file that holds something else.
    #[error("tls {what} {}: {reason}", path.display())]
    Pem {
        /// `ca`, `cert` or `key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },

    /// The system has no certificates to trust.
    #[error("the system's certificates cannot be found ({reason}); name a file with ca = \"...\"")]
    NoSystemRoots {
        /// Why.
        reason: String,
    },

    /// TLS refused what it was given.
    #[error("tls cannot be set up: {0}")]
    Tls(#[source] rustls::Error),
}
