//! `up --broker`: a broker beside the app, where no other is named.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use whirlwind::App;

use crate::args::AppAt;
use crate::exit::Failure;
use crate::print;
use crate::verbs::app_with;

/// The variable by which manifests name their broker.
const URL: &str = "MQTT_URL";

/// Where clients of MQTT look when they are told nothing.
const PORT: u16 = 1883;

/// The app with a broker of its own, or with the one that `MQTT_URL` names.
pub(super) fn app(at: &AppAt) -> Result<App, Failure> {
    let mut variables = at.variables()?;
    if variables.contains_key(URL) || std::env::var_os(URL).is_some() {
        print::note("MQTT_URL names a broker, so none is started");
        return app_with(at, variables);
    }
    let listen = free().map_err(|error| {
        Failure::failed(format!(
            "no port of 127.0.0.1 is free for a broker: {error}"
        ))
    })?;
    variables.insert(URL.to_owned(), format!("mqtt://{listen}"));
    Ok(app_with(at, variables)?.with_broker(listen))
}

/// The usual port, or any that is free.
fn free() -> std::io::Result<SocketAddr> {
    let at = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.local_addr();
    at(PORT).or_else(|_| at(0))
}
