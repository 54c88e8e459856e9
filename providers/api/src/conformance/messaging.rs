//! The tests which every messaging provider passes.
//!
//! A provider's crate says how to start one and what its other side does, and gets one named test for each promise of
//! [`Messaging`]; the provider is bounded as the constants here say.
//!
//! ```
//! # use std::sync::Arc;
//! # use whirlwind_provider_api::Messaging;
//! # use whirlwind_provider_api::conformance::messaging::Subject;
//! struct Nobody;
//!
//! #[async_trait::async_trait]
//! impl Subject for Nobody {
//!     const RETURNS: bool = true;
//! #   fn window(&self) -> usize {
//! #       unimplemented!()
//! #   }
//!     async fn start(&self) -> Arc<dyn Messaging> {
//!         unimplemented!()
//!     }
//! #   async fn deliver(&self, _: &str) {}
//! #   async fn deliver_loose(&self, _: &str) {}
//! #   async fn deliver_malformed(&self) {}
//! #   async fn taken(&self) -> String {
//! #       unimplemented!()
//! #   }
//! #   async fn cut(&self) {}
//! #   async fn restore(&self) {}
//!     // And what the other side does.
//! }
//!
//! whirlwind_provider_api::messaging_conformance!(Nobody);
//! ```

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;
use whirlwind_event::{Event, EventBuilder, Topic};

use crate::{Handover, Link, Messaging, Received, SendError};

pub mod inward;
pub mod life;
pub mod outward;

/// Where what the other side delivers comes in.
pub const IN: &str = "conformance/in";

/// Where what is sent goes out: as its data alone.
pub const OUT: &str = "conformance/out";

/// What leads nowhere.
pub const NOWHERE: &str = "conformance/nowhere";

/// Messages that may be received and not acknowledged.
pub const WINDOW: u16 = 8;

/// Events that may wait to be sent or confirmed.
pub const OUTBOX: usize = 8;

/// Bytes of the largest message.
pub const LARGEST: usize = 4096;

/// Longer than anything here takes: what would wait for ever fails.
const BOUND: Duration = Duration::from_secs(60);

/// A kind of provider, and the other side of one instance of it.
#[async_trait]
pub trait Subject: Send + Sync + 'static {
    /// Whether the other side sends a message again whose receipt was dropped, or was not given before the connection was cut.
    const RETURNS: bool;

    /// The most that the other side sends without an acknowledgement: [`WINDOW`], or more where it is not told.
    fn window(&self) -> usize;

    /// Starts the provider.
    async fn start(&self) -> Arc<dyn Messaging>;

    /// Sends a message in, which the other side holds until it is acknowledged. It is on its way, or held, when this returns, after
    /// all that were sent before.
    async fn deliver(&self, data: &str);

    /// Sends a message in that nobody holds.
    async fn deliver_loose(&self, data: &str);

    /// Sends a message in that is no event and cannot be made one, and that the other side holds until it is acknowledged.
    async fn deliver_malformed(&self);

    /// The data of the next message that came out, which the other side confirms by itself.
    async fn taken(&self) -> String;

    /// Goes away, without a word to the provider.
    async fn cut(&self);

    /// Comes back, with all that it holds.
    async fn restore(&self);
}

/// One test for each case of the suite, over the [`Subject`] that `$make` makes anew for each; it may await.
#[macro_export]
macro_rules! messaging_conformance {
    ($make:expr) => {
        $crate::messaging_conformance! { $make;
            inward::messages_come_in_the_order_of_receipt,
            inward::a_taker_and_who_waits_beside_it_get_all_in_order,
            inward::what_nobody_holds_has_no_receipt,
            inward::dropping_the_future_of_receive_loses_nothing,
            inward::what_is_no_event_is_acknowledged_and_counted,
            inward::a_receipt_that_is_given_acknowledges_for_good,
            inward::a_message_whose_receipt_is_dropped_comes_again,
            inward::a_receipt_from_before_a_cut_has_no_effect,
            inward::what_is_received_and_not_acknowledged_is_bounded,
            inward::what_nobody_holds_is_dropped_and_counted_when_too_much_is_unread,
            outward::events_go_out_in_order_and_are_handed_over,
            outward::what_is_sent_without_a_link_is_kept_and_goes_out_with_the_next,
            outward::what_was_not_confirmed_is_sent_again_in_order,
            outward::a_full_outbox_takes_nothing_until_there_is_room,
            outward::what_is_too_large_is_refused_and_not_sent,
            outward::what_leads_nowhere_is_refused_and_not_sent,
            life::every_change_of_the_link_is_seen,
            life::counts_only_grow,
            life::closed_it_receives_nothing,
            life::closed_it_ends_what_was_not_handed_over_and_takes_no_more,
            life::receipts_that_come_after_the_end_have_no_effect,
            life::closing_twice_is_closing_once,
        }
    };
    ($make:expr; $($module:ident :: $case:ident,)*) => {
        $(
            #[test]
            fn $case() {
                $crate::conformance::run(async {
                    $crate::conformance::messaging::$module::$case(&$make).await;
                });
            }
        )*
    };
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let come = timeout(BOUND, future).await;
    come.unwrap_or_else(|_| panic!("{what} does not come"))
}

/// Waits for what no signal tells of.
async fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let is = async {
        while !is() {
            tokio::task::yield_now().await;
        }
    };
    soon(what, is).await;
}

/// What a future has to say now.
async fn now<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    tokio::select! {
        biased;
        value = future => Some(value),
        () = std::future::ready(()) => None,
    }
}

async fn start(subject: &impl Subject) -> Arc<dyn Messaging> {
    let provider = subject.start().await;
    link(&provider, |link| *link == Link::Up).await;
    provider
}

/// Waits until the link is so.
async fn link(provider: &Arc<dyn Messaging>, is: fn(&Link) -> bool) -> Link {
    let mut link = provider.link();
    soon("the link", link.wait_for(is)).await.unwrap().clone()
}

fn down(link: &Link) -> bool {
    matches!(link, Link::Down { .. })
}

/// The other side goes away, which is seen.
async fn cut(subject: &impl Subject, provider: &Arc<dyn Messaging>) {
    subject.cut().await;
    link(provider, down).await;
}

/// And comes back.
async fn restore(subject: &impl Subject, provider: &Arc<dyn Messaging>) {
    subject.restore().await;
    link(provider, |link| *link == Link::Up).await;
}

async fn close(provider: &Arc<dyn Messaging>) {
    soon("the end", provider.close()).await;
}

async fn receive(provider: &Arc<dyn Messaging>) -> Received {
    soon("a message", provider.receive()).await.unwrap()
}

fn data(received: &Received) -> &str {
    assert_eq!(received.topic.as_str(), IN);
    std::str::from_utf8(received.event.data().unwrap()).unwrap()
}

fn give(received: Received) {
    received.receipt.unwrap().give();
}

fn topic(topic: &str) -> Topic {
    Topic::parse(topic).unwrap()
}

fn event(data: &str) -> Arc<Event> {
    let event = EventBuilder::new().id("1").source("/conformance");
    Arc::new(event.ty("conformance").data(data).build().unwrap())
}

fn send(provider: &Arc<dyn Messaging>, data: &str) -> Result<Handover, SendError> {
    provider.send(&topic(OUT), &event(data))
}

async fn taken(subject: &impl Subject) -> String {
    soon("an event on the other side", subject.taken()).await
}

async fn handed_over(handover: Handover) {
    soon("the handover", handover).await.unwrap();
}

/// Waits until the other side has heard all that was said to it, and we all that it had said by then: both speak in order.
async fn settle(subject: &impl Subject, provider: &Arc<dyn Messaging>) {
    handed_over(send(provider, "settle").unwrap()).await;
    while taken(subject).await != "settle" {}
}
