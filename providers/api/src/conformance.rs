//! The tests which every store passes.
