//! A running app: its manifest, its supervision tree, its doors.

pub mod app;
pub mod manifest;

pub use app::App;
pub use manifest::{Manifest, ManifestError};
