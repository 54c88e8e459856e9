//! What the callers of a provider and its connection share.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tracing::warn;
use whirlwind_event::Excerpt;
use whirlwind_provider_api::{Link, Receipt, ReceiptDesk, Received};

use crate::inbound::{Inbound, Offer, Returned, Window};
use crate::outbox::{Ended, Outbox};
use crate::{Config, Message};

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

    /// Does something with the outbox, and tells of what has ended by it.
    pub(crate) fn outbox<T>(&self, work: impl FnOnce(&mut Outbox) -> T) -> T {
        let (done, ended) = {
            let mut outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
            (work(&mut outbox), outbox.take_ended())
        };
        ended.into_iter().for_each(Ended::tell);
        done
    }

    /// A message that came in, as the event it is. One that is none is acknowledged, or it would come again for ever.
    pub(crate) fn read(
        self: &Arc<Self>,
        message: Message,
        number: Option<u64>,
    ) -> Option<Received> {
        let mqtt = message.topic.clone();
        match self.config.inward(message) {
            Ok((topic, event, acknowledge)) => Some(Received {
                topic,
                event: Arc::new(event),
                receipt: number.map(|number| Receipt::new(self.clone(), number)),
                acknowledge,
            }),
            Err(malformed) => {
                let mqtt = Excerpt::of(&mqtt);
                warn!(provider = self.config.name, topic = %mqtt, "a message is no event and is acknowledged: {malformed}");
                if self.inbound().malformed(number) {
                    self.work.notify_one();
                }
                None
            }
        }
    }

    /// Lets the taker of a message take it.
    pub(crate) fn offer(self: &Arc<Self>, offer: Offer) {
        let Offer {
            message,
            number,
            taker,
        } = offer;
        let Some(received) = self.read(message, number) else {
            return;
        };
        if let Err(received) = taker.take(received) {
            self.inbound().give_back(received);
            self.came.notify_one();
        }
    }

    /// Asks the connection to end.
    pub(crate) fn begin_to_close(&self) {
        self.closing.store(true, Ordering::Release);
        self.outbox(Outbox::shut);
        self.room.notify_waiters();
        self.work.notify_one();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// The connection has ended for good.
    pub(crate) fn finish(&self) {
        self.closing.store(true, Ordering::Release);
        let left = self.inbound().close();
        drop(left);
        self.outbox(Outbox::close);
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
