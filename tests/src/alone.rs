//! Tests that measure the process they run in, or harm it: each in a process of its own.

use std::process::Command;

/// Set in the process that is one test's alone.
const ALONE: &str = "WHIRLWIND_TEST_ALONE";

/// Whether the test of this name (`module::function`) runs in a process of its own. Where it does not, runs it in one, with
/// `environment` added to it, fails if it fails, and answers no: the caller returns.
pub fn alone(test: &str, environment: &[(&str, &str)]) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let program = std::env::current_exe().unwrap_or_else(|error| panic!("{error}"));
    let output = Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(ALONE, "1")
        .envs(environment.iter().copied())
        .output()
        .unwrap_or_else(|error| panic!("{error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    let cried = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}\n{said}\n{cried}",
        output.status
    );
    assert!(said.contains("1 passed"), "no test `{test}` ran: {said}");
    // Its figures.
    print!("{said}");
    false
}
