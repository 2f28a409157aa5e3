//! All fourteen tools with their schemas, in the order in which every server lists them.

use std::sync::{Arc, LazyLock};

use domain::{Kind, Problem};
use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value};

use super::envelope::Envelope;
use super::infrastructure::{
    AttachVolume, CreateStorageBucket, FailoverRoute, LaunchSpot, ProvisionCompute, RotateSecret, SubmitMlJob,
};
use super::operations::{CancelOperation, GetOperation};
use super::schema;
use super::tools::{DeployModel, GetCostEstimate, GetHealth, GetQuotas, Hints, ScaleNodepool, Tool};
use super::{canonical, labels};

/// One tool as it is listed and checked.
pub struct ToolSpec {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// What a policy may assume of it.
    pub hints: Hints,
    /// JSON Schema of its arguments.
    pub input_schema: Arc<Map<String, Value>>,
    /// JSON Schema of its envelope.
    pub output_schema: Arc<Map<String, Value>>,
    validator: Result<Validator, String>,
    typed: fn(Value) -> Result<Value, Problem>,
}

static CATALOG: LazyLock<[ToolSpec; 14]> = LazyLock::new(|| {
    [
        spec::<ProvisionCompute>(),
        spec::<ScaleNodepool>(),
        spec::<LaunchSpot>(),
        spec::<CreateStorageBucket>(),
        spec::<AttachVolume>(),
        spec::<SubmitMlJob>(),
        spec::<DeployModel>(),
        spec::<GetCostEstimate>(),
        spec::<GetQuotas>(),
        spec::<RotateSecret>(),
        spec::<GetHealth>(),
        spec::<FailoverRoute>(),
        spec::<GetOperation>(),
        spec::<CancelOperation>(),
    ]
});

/// The fourteen tools, always in the same order. Built once.
#[must_use]
pub fn catalog() -> &'static [ToolSpec] {
    CATALOG.as_slice()
}

/// The tool of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static ToolSpec> {
    catalog().iter().find(|tool| tool.name == name)
}

fn spec<T: Tool>() -> ToolSpec {
    let input = schema::input_schema::<T::Args>();
    let validator = jsonschema::validator_for(&Value::Object(input.clone())).map_err(|e| e.to_string());
    ToolSpec {
        name: T::NAME,
        description: T::DESCRIPTION,
        hints: T::HINTS,
        input_schema: Arc::new(input),
        output_schema: Arc::new(schema::output_schema::<Envelope<T::Output>>()),
        validator,
        typed: |arguments| {
            let arguments: T::Args = serde_path_to_error::deserialize(arguments).map_err(|e| {
                let field = e.path().to_string();
                invalid(T::NAME, &e.into_inner().to_string(), &field)
            })?;
            serde_json::to_value(arguments).map_err(|e| Problem::internal(e.to_string()))
        },
    }
}

impl ToolSpec {
    /// Checks arguments against the schema and the types, and returns them in one canonical form: defaults filled in,
    /// `null` members dropped, integers as such. The first fault is reported, with the field that has it.
    pub fn check(&self, arguments: Map<String, Value>) -> Result<Value, Problem> {
        // Clients that fill in every optional property send null where they mean absence.
        let arguments = canonical::integral(canonical::without_nulls(Value::Object(arguments)));
        let validator = self.validator.as_ref().map_err(|e| Problem::internal(format!("{}: {e}", self.name)))?;
        if let Some(error) = validator.iter_errors(&arguments).next() {
            let at = error.instance_path().to_string().trim_start_matches('/').replace('/', ".");
            let under = |field: &str| if at.is_empty() { field.to_owned() } else { format!("{at}.{field}") };
            let field = match error.kind() {
                ValidationErrorKind::AdditionalProperties { unexpected } => {
                    unexpected.first().map_or_else(String::new, |name| under(name))
                }
                ValidationErrorKind::Required { property } => under(property.as_str().unwrap_or_default()),
                _ => at,
            };
            return Err(invalid(self.name, &error.to_string(), &field));
        }
        if let Some(key) = labels::given_twice(&arguments) {
            return Err(invalid(self.name, &format!("the label {key:?} is given twice"), "labels"));
        }
        (self.typed)(arguments)
    }
}

/// Longest quotation of a fault, in characters.
const QUOTED_CHARS_MAX: usize = 300;

fn invalid(tool: &str, cause: &str, field: &str) -> Problem {
    let cause: String = cause.chars().filter(|c| !c.is_control()).take(QUOTED_CHARS_MAX).collect();
    let problem = Problem::new(Kind::Invalid, cause).next(format!("see the input schema of {tool} in tools/list"));
    if field.is_empty() || field == "." { problem } else { problem.at(field) }
}
