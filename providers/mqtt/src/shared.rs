//! What the callers of a provider and its connection share.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use whirlwind_provider_api::{Link, ReceiptDesk};

use crate::Config;
use crate::inbound::{Inbound, Returned, Window};
use crate::outbox::Outbox;

/// The queues, and the bells between those who fill and those who empty them. No lock is held across an await.
pub(crate) struct Shared {
    pub(crate) config: Config,
    inbound: Mutex<Inbound>,
    outbox: Mutex<Outbox>,
    /// Rung for the connection: something is to be sent or acknowledged, or all is to end.
    pub(crate) work: Notify,
    /// Rung for whoever receives.
    pub(crate) came: Notify,
    /// Rung for whoever waits for room.
    pub(crate) room: Notify,
    pub(crate) link: watch::Sender<Link>,
    pub(crate) reconnects: AtomicU64,
    /// Bytes of a packet that the broker takes, as it said last.
    pub(crate) packet: AtomicUsize,
    closing: AtomicBool,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Self {
        let packet = usize::try_from(config.max_packet).unwrap_or(usize::MAX);
        let window = window(&config);
        let reason = "not yet connected".to_owned();
        let link = Link::Down {
            reason,
            attempts: 0,
        };
        Self {
            inbound: Mutex::new(Inbound::new(window)),
            outbox: Mutex::new(Outbox::new(config.outbox, config.outbox_bytes)),
            work: Notify::new(),
            came: Notify::new(),
            room: Notify::new(),
            link: watch::Sender::new(link),
            reconnects: AtomicU64::new(0),
            packet: AtomicUsize::new(packet),
            closing: AtomicBool::new(false),
            config,
        }
    }

    pub(crate) fn inbound(&self) -> MutexGuard<'_, Inbound> {
        self.inbound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the connection to end.
    pub(crate) fn begin_to_close(&self) {
        self.closing.store(true, Ordering::Release);
        self.outbox().shut();
        self.room.notify_waiters();
        self.work.notify_one();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// The connection has ended for good.
    pub(crate) fn finish(&self) {
        self.closing.store(true, Ordering::Release);
        self.inbound().close();
        self.outbox().close();
        self.link.send_replace(Link::Closed);
        self.came.notify_one();
        self.room.notify_waiters();
    }
}

/// How much may be received and not acknowledged.
///
/// MQTT 5 tells the broker, but mosquitto before 2.0.12 loses count and sends all it has; a broker of 3.1.1 is not even told. So the
/// window is kept here, and what comes beyond it lies unread: packet ids bound its number, and so do bytes.
fn window(config: &Config) -> Window {
    let window = usize::from(config.window.max(1));
    let packet = usize::try_from(config.max_packet).unwrap_or(usize::MAX);
    Window {
        out: window,
        held: usize::from(u16::MAX),
        loose: window,
        bytes: packet.saturating_mul(2 * window),
    }
}

impl ReceiptDesk for Shared {
    fn returned(&self, number: u64, given: bool) {
        let (returned, more) = {
            let mut inbound = self.inbound();
            (inbound.returned(number, given), inbound.has_unread())
        };
        if returned != Returned::Late {
            self.work.notify_one();
        }
        if more {
            self.came.notify_one();
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("name", &self.config.name)
            .field("link", &*self.link.borrow())
            .finish_non_exhaustive()
    }
}
