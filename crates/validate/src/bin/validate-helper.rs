//! The sandbox's helper as a program of its own, for tests; the product's binary carries it as a hidden subcommand.

use std::process::ExitCode;

fn main() -> ExitCode {
    homeostasis_sandbox::helper_main()
}
