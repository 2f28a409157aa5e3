//! Every environment variable that the program reads, in one place.

use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::Problem;
use toml::{Table, Value};

/// Variables that set a field of the configuration: the name, the field, and what it is for.
pub const FIELDS: &[(&str, &str, &str)] = &[
    ("MCP_DATA_DIR", "data_dir", "the data folder"),
    ("MCP_LOG", "log.filter", "which log lines are written, such as 'info,gateway=debug'"),
    ("MCP_LOG_FORMAT", "log.format", "'text' or 'json'"),
    ("MCP_GATEWAY_LISTEN", "listen.gateway", "address of the gateway"),
    ("MCP_CONTROL_LISTEN", "listen.control", "address of the control plane's REST API"),
    ("MCP_LOCAL_CLOUD_LISTEN", "listen.local_cloud", "address of the local cloud's MCP server"),
    ("MCP_MODEL_SERVICE", "local.command", "path of the model-service program"),
    ("MCP_HUB_URL", "pull.hub_url", "where hf:// sources are fetched from"),
];

/// Variables that are no field of the configuration.
pub const OTHERS: &[(&str, &str)] = &[
    ("MCP_CONFIG", "the configuration file"),
    ("MCP_API_KEY", "the key that 'mcp chat' shows to the gateway"),
    ("MCP_OUTPUT", "'table' or 'json'"),
];

/// The process's environment, read once.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Reads the process's environment: the one place that does.
    #[must_use]
    pub fn read() -> Self {
        // A variable that is not Unicode cannot be one of ours.
        #[allow(clippy::disallowed_methods)]
        let variables = std::env::vars_os();
        Self(
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect(),
        )
    }

    /// An environment of these variables alone.
    #[cfg(test)]
    #[must_use]
    pub fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// The value of a variable, unless it is empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// `$XDG_DATA_HOME/mcp`, or `~/.local/share/mcp` (XDG Base Directory Specification).
    #[must_use]
    pub fn default_data_dir(&self) -> PathBuf {
        self.base_folder("XDG_DATA_HOME", ".local/share").unwrap_or_else(|| PathBuf::from(".mcp"))
    }

    /// `$MCP_CONFIG`, or `$XDG_CONFIG_HOME/mcp/mcp.toml`, or `~/.config/mcp/mcp.toml`.
    #[must_use]
    pub fn default_config_file(&self) -> Option<PathBuf> {
        match self.get("MCP_CONFIG") {
            Some(path) => Some(PathBuf::from(path)),
            None => Some(self.base_folder("XDG_CONFIG_HOME", ".config")?.join("mcp.toml")),
        }
    }

    fn base_folder(&self, variable: &str, under_home: &str) -> Option<PathBuf> {
        match self.get(variable) {
            Some(base) => Some(PathBuf::from(base).join("mcp")),
            None => Some(PathBuf::from(self.get("HOME")?).join(under_home).join("mcp")),
        }
    }

    /// The tables that the variables make, each with its variable's name. A variable that begins with `MCP_` and is not
    /// known is an error: it is most likely misspelt.
    pub fn tables(&self) -> Result<Vec<(String, Table)>, Problem> {
        let mut tables = Vec::new();
        for (name, value) in self.0.iter().filter(|(name, value)| name.starts_with("MCP_") && !value.is_empty()) {
            if let Some((_, field, _)) = FIELDS.iter().find(|(known, ..)| known == name) {
                tables.push((name.clone(), nested(field, value_of(field, value))));
            } else if !OTHERS.iter().any(|(known, _)| known == name) {
                return Err(Problem::invalid(format!("the environment variable {name} is not known"))
                    .next("remove it, or correct its name: 'mcp config show' lists the known ones"));
            }
        }
        Ok(tables)
    }
}

/// Variables are text; a field that is a list gets it as its one entry.
fn value_of(field: &str, text: &str) -> Value {
    let value = Value::String(text.to_owned());
    if field == "local.command" { Value::Array(vec![value]) } else { value }
}

/// A table that holds `value` at the dotted path `field`.
#[must_use]
pub fn nested(field: &str, value: Value) -> Table {
    let mut table = Table::new();
    match field.split_once('.') {
        Some((section, rest)) => table.insert(section.to_owned(), Value::Table(nested(rest, value))),
        None => table.insert(field.to_owned(), value),
    };
    table
}
