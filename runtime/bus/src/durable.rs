//! What of the bus lies in the store.

#[cfg_attr(
    not(test),
    expect(dead_code, reason = "durable topics do not use it yet")
)]
pub(crate) mod seen;
