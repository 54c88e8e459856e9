//! Our supervisor against real Erlang/OTP: the same scripts on both, the same traces from both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod differences;
mod erlang;
mod generator;
mod ours;
mod script;
mod trace;

use differences::compare;
use erlang::Erlang;

#[test]
fn scripts() {
    let mut erlang = Erlang::start().unwrap();
    let n: u64 = std::env::var("WHIRLWIND_ORACLE_SCRIPTS").map_or(500, |n| n.parse().unwrap());
    for i in 0..n {
        let script = generator::script(i);
        let compared = compare(&mut erlang, &script);
        if !compared.equal {
            println!(
                "{script}\nOTP:\n{}\nOURS:\n{}",
                compared.otp.join("\n"),
                compared.ours.join("\n")
            );
            panic!("{i}");
        }
    }
}
