//! The provider and a scripted broker, which does what real ones seldom do: every trap of the client library, and what is made of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

/// Each of these functions as a test, once for each version of MQTT.
macro_rules! in_both_versions {
    ($($name:ident)*) => {
        mod v5 {
            $(#[tokio::test]
            async fn $name() {
                super::$name(whirlwind_provider_mqtt::Version::V5).await;
            })*
        }
        mod v4 {
            $(#[tokio::test]
            async fn $name() {
                super::$name(whirlwind_provider_mqtt::Version::V4).await;
            })*
        }
    };
}

mod acknowledgements;
mod answers;
mod broker;
mod clock;
mod closing;
mod limits;
mod mutated;
mod mutation;
mod packet;
mod releases;
mod resending;
mod stage;
mod subscriptions;
mod watchdog;
