//! Mailboxes, and the table of who subscribes to what.
