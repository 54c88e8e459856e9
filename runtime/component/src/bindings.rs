//! What `bindgen!` makes of the WIT files under `wit/`: the host's side of every interface and the two
//! handlers a component may export. Nothing here is written by hand but the options.
//!
//! Host functions that answer from memory are sync, one by one; those of key-value are async, because
//! a bucket may wait. All are trappable: an invalid handle is a host fault, an error of the WIT's is data.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

/// The imports.
pub(crate) mod host {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "host",
        imports: {
            "wasi:keyvalue/store@0.2.0-draft.open": trappable,
            "wasi:keyvalue/store@0.2.0-draft2.open": trappable,
            "wasi:keyvalue/store@0.2.0-draft.[drop]bucket": trappable,
            "wasi:keyvalue/store@0.2.0-draft2.[drop]bucket": trappable,
            "wasi:keyvalue/atomics@0.2.0-draft2.[drop]cas": trappable,
            "wasi:keyvalue/atomics@0.2.0-draft2.[method]cas.current": trappable,
            "wasi:keyvalue": async | trappable,
            default: trappable,
        },
        with: {
            "wasi:messaging/types.client": crate::host::messaging::Client,
            "wasi:messaging/types.message": crate::host::messaging::Message,
            "wasi:keyvalue/store@0.2.0-draft.bucket": crate::host::keyvalue::OpenBucket,
            "wasi:keyvalue/store@0.2.0-draft2.bucket": crate::host::keyvalue::OpenBucket,
            "wasi:keyvalue/atomics@0.2.0-draft2.cas": crate::host::keyvalue::draft2::Cas,
        },
        require_store_data_send: true,
    });
}

/// The handler of `whirlwind:actor`. Its event is borrowed, so that data is copied once, into the guest.
pub(crate) mod events {
    wasmtime::component::bindgen!({
        path: "../../wit",
        // The world `event-handler`, with an import that uses the other type of `types`: for a type
        // that nothing uses, wasmtime 48 generates a borrowed struct without its lifetime.
        inline: "
            package whirlwind:bindings;
            world event-handler {
                import whirlwind:actor/producer@0.1.0;
                export whirlwind:actor/handler@0.1.0;
            }
        ",
        world: "whirlwind:bindings/event-handler",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: false },
        with: {
            "whirlwind:actor/producer": crate::bindings::host::whirlwind::actor::producer,
        },
    });
}

/// The handler of `wasi:messaging`.
pub(crate) mod messages {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "message-handler",
        exports: { default: async },
        with: {
            "wasi:messaging/types": crate::bindings::host::wasi::messaging::types,
        },
    });
}
