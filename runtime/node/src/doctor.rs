//! What a machine lacks for a node, or an app's surroundings for the app, each with its remedy.
//!
//! Nothing is started, and nothing written. Where a node runs already, it is left in peace.

mod broker;
mod machine;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::app::{App, Backend};
use crate::control::{ControlError, Found, SOCKET, Socket};
use crate::node::{DATA_DIR, components};

/// How a finding is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Ok,
    /// It works, and may not stay so.
    Warning,
    /// It keeps something from working.
    Fault,
}

impl Health {
    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

/// What was looked at, and how it is. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing was looked at: `socket`, `broker`.
    pub check: String,
    /// Which one: a path, a provider.
    pub about: String,
    /// How it is.
    pub state: Health,
    /// The same in words.
    pub message: String,
    /// What to do; none where all is well.
    pub remedy: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &str, about: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            check: check.to_owned(),
            about: about.into(),
            state: Health::Ok,
            message: message.into(),
            remedy: None,
        }
    }

    /// It works, and may not stay so.
    #[must_use]
    pub fn warning(self, remedy: impl Into<String>) -> Self {
        self.worse(Health::Warning, remedy)
    }

    /// It keeps something from working.
    #[must_use]
    pub fn fault(self, remedy: impl Into<String>) -> Self {
        self.worse(Health::Fault, remedy)
    }

    fn worse(mut self, state: Health, remedy: impl Into<String>) -> Self {
        self.state = state;
        self.remedy = Some(remedy.into());
        self
    }
}

/// Looks at this machine alone: `data_dir` only where one is given.
pub fn machine(data_dir: Option<&Path>) -> Vec<Finding> {
    let mut findings = vec![machine::room_of(&[])];
    if let Some(folder) = data_dir {
        findings.extend(machine::data_dir(folder));
        findings.push(socket(folder).0);
    }
    findings
}

/// Looks at what surrounds `app`: where it keeps its data, the room for its instances, the ports it listens on, the files of its
/// secrets, and the brokers it connects to. Its components are looked at by [`check`](crate::check()).
pub async fn doctor(app: &App, data_dir: Option<&Path>) -> Vec<Finding> {
    let needs: Vec<_> = components::smallest(app).collect();
    let mut findings = vec![machine::room_of(&needs)];
    let folder = folder(app, data_dir);
    findings.extend(machine::data_dir(&folder));
    let (finding, runs) = socket(&folder);
    findings.push(finding);
    for (name, provider) in &app.providers {
        match &provider.kind {
            Backend::MqttBroker(settings) => {
                findings.push(machine::port(name, settings.listen, runs));
            }
            Backend::Mqtt(settings) => {
                let tls = settings.config.tls.as_ref();
                let key = tls.and_then(|tls| tls.key.as_deref());
                let files = [
                    ("password_file", settings.password_file.as_deref()),
                    ("key", key),
                ];
                for (what, file) in files {
                    findings.extend(file.map(|file| machine::secret(name, what, file)));
                }
            }
            Backend::Memory | Backend::Sled { .. } | Backend::Store => {}
        }
    }
    findings.extend(broker::tried(app, runs).await);
    findings
}

/// Tries the broker of each provider of type `mqtt`, all at once: whether it is there, takes the connection and grants the
/// subscriptions. A running node's sessions are not touched, and nothing is published.
pub async fn brokers(app: &App, data_dir: Option<&Path>) -> Vec<Finding> {
    let (_, runs) = socket(&folder(app, data_dir));
    broker::tried(app, runs).await
}

/// How the control socket is, and whether a node answers on it.
fn socket(data_dir: &Path) -> (Finding, bool) {
    let path = data_dir.join(SOCKET);
    let is = |message: String| Finding::ok("socket", path.display().to_string(), message);
    let found = Socket::look(&path);
    let runs = matches!(found, Err(ControlError::Running(_)));
    let finding = match found {
        Ok(Found::Nothing) => is("free".to_owned()),
        Ok(Found::Left) => {
            is("left by a node that was killed; the next one replaces it".to_owned())
        }
        Err(ControlError::Running(_)) => is("a node runs and answers on it".to_owned()),
        Err(ControlError::TooLong { length, .. }) => is(format!(
            "its path has {length} bytes, more than a unix socket takes"
        ))
        .fault("choose a shorter one with --data-dir"),
        Err(ControlError::InTheWay(_)) => {
            is("what lies there is not a socket".to_owned()).fault("move it away")
        }
        Err(ControlError::Io { error, .. }) => is(format!("it cannot be opened: {error}"))
            .fault("make its folder yours, or choose another with --data-dir"),
    };
    (finding, runs)
}

/// Where the data of `app` lies.
fn folder(app: &App, data_dir: Option<&Path>) -> PathBuf {
    data_dir.map_or_else(|| app.folder.join(DATA_DIR), Path::to_owned)
}
