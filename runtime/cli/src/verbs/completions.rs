//! `completions`: a script that a shell loads.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Args;
use crate::exit::Ended;
use crate::print;

pub(crate) fn run(shell: Shell) -> Ended {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "whirlwind", &mut script);
    print::out_bytes(&script)
}
