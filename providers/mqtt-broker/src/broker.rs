//! A broker that runs, and its end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use mqtt5::broker::MqttBroker;
use tokio::runtime;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::Config;

/// How long clients get to be told of the end. Then the runtime goes, and every connection with it.
const FAREWELL: Duration = Duration::from_millis(500);

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Other machines would reach the address, which was not allowed.
    #[error(
        "the MQTT broker does not listen on {address}: it is not a loopback address, and the broker asks nobody for a password"
    )]
    Remote {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be had, most often because it is in use.
    #[error("the MQTT broker cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The broker refuses its configuration, or ended as it started.
    #[error("the MQTT broker on {address} did not start: {cause}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// What it says.
        cause: String,
    },
    /// The operating system gives no thread, or no event queue for it.
    #[error("the MQTT broker on {address} has no thread to run on: {source}")]
    Thread {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
}

/// A broker that runs, until it is stopped or dropped.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    /// Closes when the runtime is gone, whichever way that came.
    alive: watch::Receiver<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Broker {
    /// Starts a broker, and returns once it accepts connections.
    ///
    /// # Errors
    ///
    /// [`StartError`]; then nothing of it is left.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let address = config.listen;
        if !address.ip().is_loopback() {
            if !config.allow_remote {
                return Err(StartError::Remote { address });
            }
            tracing::warn!(broker = config.name, %address, "an MQTT broker without passwords listens beyond this machine");
        }
        // mqtt5 tells a refused address only in prose; the error of this try has a kind.
        if let Err(source) = TcpListener::bind(address) {
            return Err(StartError::Bind { address, source });
        }
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| StartError::Thread { address, source })?;
        let (stop, stopped) = watch::channel(false);
        let (death, mut alive) = watch::channel(());
        let (ready, started) = oneshot::channel();
        let name = config.name.clone();
        let thread = std::thread::Builder::new()
            .name("mqtt-broker".to_owned())
            .spawn(move || {
                // Dropped in the reverse order: `death` says that the runtime is gone.
                let _death = death;
                let runtime = runtime;
                runtime.block_on(serve(&config, stopped, ready));
            });
        let thread = thread.map_err(|source| StartError::Thread { address, source })?;
        let refused = match started.await {
            Ok(Ok(address)) => {
                tracing::info!(broker = name, %address, "an MQTT broker for development listens");
                return Ok(Self {
                    address,
                    stop,
                    alive,
                    thread: Mutex::new(Some(thread)),
                });
            }
            Ok(Err(cause)) => cause,
            Err(_) => "it ended as it started".to_owned(),
        };
        gone(&mut alive).await;
        Err(StartError::Refused {
            address,
            cause: refused,
        })
    }

    /// Where it listens: with port 0 asked for, the port it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it, and returns when its thread has ended and its port is free. Clients are told, and those that
    /// do not listen for half a second are cut. Wills are not promised.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        self.ended().await;
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // It has nothing left to do, so this waits for the operating system alone.
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::warn!(address = %self.address, "the MQTT broker had panicked");
        }
    }

    /// Resolves when it has ended, by itself or stopped.
    pub async fn ended(&self) {
        gone(&mut self.alive.clone()).await;
    }
}

/// Dropped, it stops soon after; only [`Broker::stop`] waits for that.
impl Drop for Broker {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Waits until the other end is dropped: nothing is ever sent.
async fn gone(alive: &mut watch::Receiver<()>) {
    while alive.changed().await.is_ok() {}
}

/// Binds, says so, and serves until told to stop or until mqtt5 ends by itself.
async fn serve(
    config: &Config,
    mut stopped: watch::Receiver<bool>,
    ready: oneshot::Sender<Result<SocketAddr, String>>,
) {
    let mut broker = match MqttBroker::with_config(config.of_mqtt5()).await {
        Ok(broker) => broker,
        Err(error) => {
            let _ = ready.send(Err(error.to_string()));
            return;
        }
    };
    // Connections wait in the listener from here on.
    let address = broker.local_addr().unwrap_or(config.listen);
    let shutdown = broker.shutdown_handle();
    let mut accepting = broker.ready_receiver();
    let run = broker.run();
    tokio::pin!(run);
    let announce = async move {
        if accepting.wait_for(|accepting| *accepting).await.is_ok() {
            let _ = ready.send(Ok(address));
        }
        std::future::pending::<()>().await;
    };
    // In a block, so that what it returns, a lock on the value, does not outlive it.
    let told = async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let ended = tokio::select! {
        ended = &mut run => ended,
        () = announce => Ok(()),
        () = told => {
            shutdown.shutdown();
            let _ = timeout(FAREWELL, &mut run).await;
            return;
        }
    };
    match ended {
        Ok(()) => tracing::error!(broker = config.name, %address, "the MQTT broker ended"),
        Err(error) => {
            tracing::error!(broker = config.name, %address, %error, "the MQTT broker ended")
        }
    }
}
