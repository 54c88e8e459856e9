//! The command line of Whirlwind.
fn main() {}
