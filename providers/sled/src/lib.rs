//! Key-value buckets on sled.
