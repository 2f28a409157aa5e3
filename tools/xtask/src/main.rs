//! Repository checks that cargo and clippy cannot make: `cargo xtask tidy`.
//!
//! It reads the tree and cargo's metadata, changes nothing, and needs no network once the crates are fetched.

mod tidy;

use std::io::Write;
use std::process::ExitCode;

const HELP: &str = "\
Repository checks.

Usage: cargo xtask tidy    check layers, sizes, names, words, documents, manifests and licences
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut out = std::io::stdout().lock();
    let passed = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy::run(&mut out),
        ["--help" | "-h" | "help"] => write!(out, "{HELP}").map(|()| true).map_err(Into::into),
        _ => write!(out, "{HELP}").map(|()| false).map_err(Into::into),
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(std::io::stderr(), "xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
