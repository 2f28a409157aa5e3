//! The configuration: defaults < file < `MCP_*` environment < flags.
//!
//! Every layer is a table of the same shape; the merged table is read into [`Config`] at once, so that an unknown field or
//! a wrong type is an error wherever it was written. Where each value came from is kept for `mcp config show`.

pub mod env;
#[cfg(test)]
mod fuzz;
mod layers;
mod sections;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use domain::Problem;
pub use layers::{Layered, Source};
pub use sections::{Config, ListenConfig};
use toml::Table;

/// Largest configuration file, in bytes.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// Reads and merges all layers. `flags` holds the values given on the command line, in the shape of the file.
pub fn load(file: Option<&Path>, environment: &env::Environment, flags: Table) -> Result<(Config, Layered), Problem> {
    let mut layered = Layered::new(defaults(environment)?);
    if let Some((path, table)) = read_file(file, environment)? {
        layered.add(Source::File(path), table);
    }
    for (name, table) in environment.tables()? {
        layered.add(Source::Environment(name), table);
    }
    layered.add(Source::Flag, flags);
    let config: Config = toml::Value::Table(layered.merged().clone()).try_into().map_err(|e| misfit(&e, &layered))?;
    config.check().map_err(|problem| placed(problem, &layered))?;
    Ok((config, layered))
}

/// A rule that is broken, with where the value was written.
fn placed(problem: Problem, layered: &Layered) -> Problem {
    let Some(source) = problem.field.as_ref().and_then(|field| layered.source(field)) else { return problem };
    let cause = format!("configuration ({source}): {}", problem.cause);
    Problem { cause, ..problem }
}

/// Says which field does not fit, and where it was written.
fn misfit(error: &toml::de::Error, layered: &Layered) -> Problem {
    let (text, message) = (error.to_string(), error.message().trim());
    // The path of the value stands on a line of its own; a field that is not known is missing in it.
    let section = text.lines().find_map(|line| line.trim().strip_prefix("in `")?.strip_suffix('`'));
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| Some(rest.split_once('`')?.0));
    let path = [section, unknown].into_iter().flatten().collect::<Vec<_>>().join(".");
    // A key may be the empty text, and a value may have no key at all.
    let field = if path.is_empty() { "\"\"" } else { &path };
    // A section that is no table has no place of its own; what set it last is named then.
    let source = layered.source(&path).or_else(|| layered.latest());
    let place = source.map_or_else(String::new, |source| format!(" ({source})"));
    Problem::invalid(format!("configuration{place}: {message}"))
        .next("compare it with 'mcp config show'; every section and field is listed there")
        .at(field)
}

fn defaults(environment: &env::Environment) -> Result<Table, Problem> {
    let config = Config { data_dir: environment.default_data_dir(), ..Config::default() };
    Table::try_from(&config).map_err(|e| Problem::internal(format!("the defaults cannot be written as a table: {e}")))
}

/// The named file must exist; the default one may be absent.
fn read_file(file: Option<&Path>, environment: &env::Environment) -> Result<Option<(PathBuf, Table)>, Problem> {
    let path = match file {
        Some(path) => path.to_owned(),
        None => match environment.default_config_file() {
            Some(path) if path.exists() => path,
            _ => return Ok(None),
        },
    };
    let unread = |cause: String| {
        Problem::invalid(format!("configuration file {}: {cause}", path.display()))
            .next("check the path given with --config")
    };
    let mut text = String::new();
    let file = files::open_plain(&path).map_err(|e| unread(e.to_string()))?;
    file.take(FILE_MAX_BYTES + 1).read_to_string(&mut text).map_err(|e| unread(e.to_string()))?;
    if text.len() as u64 > FILE_MAX_BYTES {
        return Err(unread(format!("it is larger than {FILE_MAX_BYTES} bytes")));
    }
    let table = text.parse::<Table>().map_err(|e| {
        Problem::invalid(format!("configuration file {}: {e}", path.display()))
            .next("mend the line shown; the format is TOML")
    })?;
    Ok(Some((path, table)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, environment: &[(&str, &str)], flags: &str) -> Result<(Config, Layered), Problem> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("mcp.toml");
        std::fs::write(&path, file).expect("a writable folder");
        load(Some(&path), &env::Environment::from_pairs(environment), flags.parse().expect("valid flags"))
    }

    #[test]
    fn later_layers_win() {
        let file = "[listen]\ngateway = \"127.0.0.1:1\"\ncontrol = \"127.0.0.1:2\"\nlocal_cloud = \"127.0.0.1:3\"";
        let environment = [("MCP_CONTROL_LISTEN", "127.0.0.1:4"), ("MCP_LOCAL_CLOUD_LISTEN", "127.0.0.1:5")];
        let (config, layered) =
            check(file, &environment, "[listen]\nlocal_cloud = \"127.0.0.1:6\"").expect("all valid");
        let ports =
            [config.listen.gateway, config.listen.control, config.listen.local_cloud].map(|address| address.port());
        assert_eq!(ports, [1, 4, 6]);
        assert!(matches!(layered.source("listen.gateway"), Some(Source::File(_))));
        assert!(
            matches!(layered.source("listen.control"), Some(Source::Environment(name)) if name == "MCP_CONTROL_LISTEN")
        );
        assert_eq!(layered.source("listen.local_cloud"), Some(&Source::Flag));
    }

    #[test]
    fn mistakes_are_named() {
        for (file, word) in [
            ("[listen]\ngatway = \"127.0.0.1:1\"", "gatway"),
            ("[listen]\ngateway = \"nowhere\"", "socket address"),
            ("[gateway]\nprobe_failures = \"often\"", "mcp.toml"),
            ("nonsense = 1", "nonsense"),
            ("[listen", "mcp.toml"),
            ("[listen]\ngateway = \"127.0.0.1:7000\"\ncontrol = \"127.0.0.1:7000\"", "7000"),
        ] {
            let problem = check(file, &[], "").expect_err(file);
            assert!(problem.cause.contains(word), "{file}: {}", problem.cause);
        }
        assert!(
            check("", &[("MCP_GATEWAY_LISTN", "x")], "")
                .expect_err("a misspelt variable")
                .cause
                .contains("MCP_GATEWAY_LISTN")
        );
    }

    #[test]
    fn a_mistake_says_its_field_and_its_place() {
        let field = |problem: Problem| problem.field.unwrap_or_default();
        let typed = check("[gateway]\nprobe_failures = \"often\"", &[], "").expect_err("a text for a number");
        assert_eq!(field(typed), "gateway.probe_failures");
        let unknown = check("[gateway]\nprobes = 1", &[], "").expect_err("an unknown field");
        assert!(unknown.cause.contains("mcp.toml"), "{}", unknown.cause);
        assert_eq!(field(unknown), "gateway.probes");
        let variable = check("", &[("MCP_CONTROL_LISTEN", "banana")], "").expect_err("no address");
        assert!(variable.cause.contains("MCP_CONTROL_LISTEN"), "{}", variable.cause);
        assert_eq!(field(variable), "listen.control");
    }

    #[test]
    fn a_named_file_must_exist() {
        let nowhere = Path::new("/nonexistent/mcp.toml");
        assert!(load(Some(nowhere), &env::Environment::from_pairs(&[]), Table::new()).is_err());
    }
}
