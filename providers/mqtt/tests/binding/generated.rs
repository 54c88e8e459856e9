//! Events at random, those among them that this binding treats apart.

use proptest::prelude::*;
use whirlwind_event::Event;
use whirlwind_event::generated::any_builder;

/// Of data that is itself an event, or several.
const NESTED_TYPES: [&str; 3] = [
    "application/cloudevents+json",
    "application/cloudevents-batch+json; charset=utf-8",
    "Application/CloudEvents",
];

pub(crate) fn any_event() -> impl Strategy<Value = Event> {
    let data = prop::option::of(prop::collection::vec(any::<u8>(), 0..40));
    let nested = prop::option::weighted(0.2, (prop::sample::select(&NESTED_TYPES), data));
    (any_builder(), nested)
        .prop_map(|(mut builder, nested)| {
            if let Some((media_type, data)) = nested {
                builder = builder.datacontenttype(media_type);
                if let Some(data) = data {
                    builder = builder.data(data);
                }
            }
            builder.build().unwrap()
        })
        .prop_filter("no extension of the receiver's own", |event| {
            event
                .extensions()
                .all(|(name, _)| !name.starts_with("mqtt"))
        })
}
