//! One verb, one file.

pub mod autoscaling;
pub mod chat;
pub mod completions;
pub mod config;
pub mod delete;
pub mod deploy;
pub mod doctor;
pub mod down;
pub mod environment;
pub mod explain;
pub mod key;
pub mod logs;
pub mod model;
pub mod scale;
pub mod serve;
pub mod simulate;
pub mod status;
pub mod token;
pub mod tool;
pub mod up;

use domain::Problem;
use toml::{Table, Value};

use crate::args::{Args, Command};
use crate::config::{Config, Layered, env};
use crate::output::Output;
use crate::paths::DataDir;
use crate::rest::Rest;

/// What every command knows.
#[derive(Debug)]
pub struct Context {
    /// The configuration.
    pub config: Config,
    /// The same, with where each value came from.
    pub layered: Layered,
    /// The environment it was read from.
    pub environment: env::Environment,
    /// The data folder.
    pub data_dir: DataDir,
    /// How results are written.
    pub output: Output,
    /// The configuration file that was named on the command line.
    pub config_file: Option<std::path::PathBuf>,
}

impl Context {
    /// Reads the configuration for these arguments.
    pub fn new(args: &Args) -> Result<Self, Problem> {
        let environment = env::Environment::read();
        let mut flags = Table::new();
        if let Some(data_dir) = &args.data_dir {
            let absolute = std::path::absolute(data_dir).map_err(|e| Problem::invalid(format!("--data-dir: {e}")))?;
            flags.insert("data_dir".to_owned(), Value::String(absolute.to_string_lossy().into_owned()));
        }
        let (config, layered) = crate::config::load(args.config.as_deref(), &environment, flags)?;
        let data_dir = DataDir(config.data_dir.clone());
        Ok(Self {
            config,
            layered,
            environment,
            data_dir,
            output: Output { format: args.output },
            config_file: args.config.clone(),
        })
    }

    /// A client of the control plane that runs over the data folder.
    pub fn rest(&self) -> Result<Rest, Problem> {
        Rest::of(&self.data_dir)
    }
}

/// Does what was asked.
pub async fn run(command: Command, context: Context) -> Result<(), Problem> {
    match command {
        Command::Up(args) => up::run(args, context).await,
        Command::Down(args) => down::run(args, &context).await,
        Command::Model(command) => model::run(command, &context).await,
        Command::Environment(command) => environment::run(command, &context).await,
        Command::Deploy(args) => deploy::run(args, &context).await,
        Command::Status(args) => status::run(args, &context).await,
        Command::Scale(args) => scale::run(args, &context).await,
        Command::Logs(args) => logs::run(args, &context).await,
        Command::Delete(args) => delete::run(args, &context).await,
        Command::Chat(args) => chat::run(args, &context).await,
        Command::Tool(command) => tool::run(command, &context).await,
        Command::Key(command) => key::run(command, &context).await,
        Command::Token(command) => token::run(command, &context).await,
        Command::Config(command) => config::run(&command, &context),
        Command::Doctor => doctor::run(&context).await,
        Command::Explain(args) => explain::run(&args, &context),
        Command::Completions(args) => completions::run(&args),
        Command::Simulate(command) => simulate::run(command, &context),
        Command::Serve(args) => serve::run(args, context).await,
    }
}
