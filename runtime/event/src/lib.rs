//! The values of Whirlwind: events, topics, topic filters and their encodings.
