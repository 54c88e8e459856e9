//! The process of a test: commits turns, or reads what is there of them.

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    whirlwind_rivals::process::run(&arguments);
}
