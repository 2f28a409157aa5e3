//! JSON Schemas of the tools as they go over the wire: small, without references, and free of what trips clients.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The input schema of arguments `T`: an object that refuses unknown properties, with `region` mirrored into the header
/// `Mcp-Param-Region` so that a proxy can route and deny without reading bodies.
pub(super) fn input_schema<T: JsonSchema>() -> Map<String, Value> {
    let mut schema = plain_schema::<T>();
    schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    schema.entry("properties").or_insert_with(|| json!({}));
    if let Some(Value::Object(region)) = schema.get_mut("properties").and_then(|all| all.get_mut("region")) {
        region.insert("x-mcp-header".to_owned(), json!("Region"));
    }
    schema
}

/// The output schema of an envelope `T`. Further properties may be added to results later, so they are allowed. What is
/// the same for all tools is described once, by its name: a list of tools is read by models, which pay for each word.
pub(super) fn output_schema<T: JsonSchema>() -> Map<String, Value> {
    let mut schema = plain_schema::<T>();
    for part in ["status", "operation", "cost", "error"] {
        if let Some(part) = schema.get_mut("properties").and_then(|all| all.get_mut(part)) {
            drop_descriptions(part);
        }
    }
    schema
}

fn drop_descriptions(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    object.remove("description");
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(drop_descriptions);
    }
}

fn plain_schema<T: JsonSchema>() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    simplify(&mut schema);
    match schema {
        Value::Object(mut object) => {
            object.remove("title");
            object.remove("description");
            object
        }
        _ => Map::new(),
    }
}

/// Rewrites what the generator says at length: number formats that validators do not know (AJV warns of `uint32`), `null`
/// beside a type where absence is meant, and an enumeration written as alternatives.
fn simplify(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(simplify),
        Value::Object(object) => {
            object.values_mut().for_each(simplify);
            let is_number_format =
                |format: &Value| format.as_str().is_some_and(|f| f.starts_with("uint") || f.starts_with("int"));
            if object.get("format").is_some_and(|f| is_number_format(f) || f == "double" || f == "float") {
                object.remove("format");
            }
            if object.get("default") == Some(&Value::Null) {
                object.remove("default");
            }
            drop_null_type(object);
            drop_null_alternative(object);
            join_constants(object);
        }
        _ => {}
    }
}

fn drop_null_type(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
}

fn drop_null_alternative(object: &mut Map<String, Value>) {
    let Some(Value::Array(alternatives)) = object.get_mut("anyOf") else { return };
    alternatives.retain(|schema| schema != &json!({ "type": "null" }));
    if let [Value::Object(only)] = alternatives.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        for (key, value) in only {
            // The property's own description says more than that of its type.
            object.entry(key).or_insert(value);
        }
    }
}

fn join_constants(object: &mut Map<String, Value>) {
    let Some(Value::Array(alternatives)) = object.get("oneOf") else { return };
    let names: Option<Vec<Value>> = alternatives.iter().map(|schema| schema.get("const").cloned()).collect();
    if let Some(names) = names {
        object.remove("oneOf");
        object.insert("type".to_owned(), json!("string"));
        object.insert("enum".to_owned(), Value::Array(names));
    }
}
