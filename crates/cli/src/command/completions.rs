//! `mcp completions SHELL`: completion for bash, zsh, fish, elvish and PowerShell.

use clap::CommandFactory as _;
use clap_complete::Shell;
use domain::Problem;

use crate::output;

const EXAMPLES: &str = "\
Examples:
  mcp completions bash > ~/.local/share/bash-completion/completions/mcp
  mcp completions zsh > ~/.zfunc/_mcp";

/// `mcp completions bash > ~/.local/share/bash-completion/completions/mcp`
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shell.
    pub shell: Shell,
}

pub fn run(args: &Args) -> Result<(), Problem> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::args::Args::command(), "mcp", &mut script);
    output::piece(&String::from_utf8_lossy(&script))
}
