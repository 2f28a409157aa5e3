//! `mcp completions SHELL`: completion for bash, zsh, fish, elvish and PowerShell.

use clap::CommandFactory as _;
use clap_complete::Shell;
use domain::Problem;

use crate::output;

/// `mcp completions bash > ~/.local/share/bash-completion/completions/mcp`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell.
    pub shell: Shell,
}

pub fn run(args: &Args) -> Result<(), Problem> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::args::Args::command(), "mcp", &mut script);
    output::piece(&String::from_utf8_lossy(&script))
}
