//! A running app: its manifest, its supervision tree, its doors.
