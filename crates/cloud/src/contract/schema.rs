//! JSON Schemas of the tools as they go over the wire: small, without references, and free of what trips clients.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The input schema of arguments `T`: an object that refuses unknown properties. Optional properties also take null, which
/// stands for absence: clients that make models fill in every property (OpenAI's strict mode) then have a way to say so.
/// A required `region` is mirrored into the header `Mcp-Param-Region`, so that a proxy can route and deny without reading
/// bodies; a header cannot say null.
pub(super) fn input_schema<T: JsonSchema>() -> Map<String, Value> {
    let mut schema = plain_schema::<T>();
    schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    schema.entry("properties").or_insert_with(|| json!({}));
    let is_required =
        schema.get("required").and_then(Value::as_array).is_some_and(|all| all.contains(&json!("region")));
    if let Some(Value::Object(region)) = schema.get_mut("properties").and_then(|all| all.get_mut("region"))
        && is_required
    {
        region.insert("x-mcp-header".to_owned(), json!("Region"));
    }
    let mut schema = Value::Object(schema);
    allow_null_where_optional(&mut schema);
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

/// Lets optional properties be null, and drops their defaults: what a default is stands in the description, since strict
/// modes refuse the keyword.
fn allow_null_where_optional(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    object.remove("default");
    let required: Vec<Value> = object.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        for (name, property) in properties {
            allow_null_where_optional(property);
            if !required.contains(&json!(name)) {
                allow_null(property);
            }
        }
    }
    if let Some(items) = object.get_mut("items") {
        allow_null_where_optional(items);
    }
}

fn allow_null(property: &mut Value) {
    if let Some(Value::String(one)) = property.get("type") {
        property["type"] = json!([one, "null"]);
    }
    if let Some(Value::Array(names)) = property.get_mut("enum") {
        names.push(Value::Null);
    }
}

/// What a caller acts on of an operation.
const OPERATION: &[&str] = &["id", "tool", "state", "replayed"];
/// What a caller acts on of a problem.
const PROBLEM: &[&str] = &["code", "cause", "next_step", "field"];

/// The output schema of an envelope `T`. Further properties may be added to results later, so they are allowed. A list of
/// tools is read by models, which pay for each word: descriptions stay at the members of `resource` alone, and of what is
/// the same for all tools only what a caller acts on is spelled out.
pub(super) fn output_schema<T: JsonSchema>() -> Map<String, Value> {
    let mut schema = plain_schema::<T>();
    let Some(Value::Object(parts)) = schema.get_mut("properties") else { return schema };
    for (name, part) in parts {
        match name.as_str() {
            "operation" => *part = members(part, OPERATION),
            "error" => *part = members(part, PROBLEM),
            "resource" => {
                drop_descriptions(part, 2);
                if let Some(Value::Object(inner)) = part.get_mut("properties") {
                    inner.entry("operation").and_modify(|part| *part = members(part, OPERATION));
                    inner.entry("problem").and_modify(|part| *part = members(part, PROBLEM));
                }
            }
            _ => drop_descriptions(part, 0),
        }
    }
    schema
}

/// An object schema with these of its members alone, and without descriptions.
fn members(schema: &Value, kept: &[&str]) -> Value {
    let mut short = json!({ "type": "object", "properties": {} });
    for name in kept {
        let mut member = schema["properties"][name].clone();
        drop_descriptions(&mut member, 0);
        short["properties"][name] = member;
    }
    let required = schema["required"].as_array().into_iter().flatten();
    let required: Vec<&Value> = required.filter(|name| kept.iter().any(|kept| *name == kept)).collect();
    short["required"] = json!(required);
    short
}

/// Drops descriptions deeper than so many levels, and what is said of numbers beyond their type.
fn drop_descriptions(schema: &mut Value, levels: usize) {
    let Value::Object(object) = schema else { return };
    if levels == 0 {
        object.remove("description");
    }
    for keyword in ["default", "minimum", "maximum", "minLength", "maxLength", "maxItems", "additionalProperties"] {
        object.remove(keyword);
    }
    let deeper = levels.saturating_sub(1);
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(|property| drop_descriptions(property, deeper));
    }
    if let Some(items) = object.get_mut("items") {
        drop_descriptions(items, 0);
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
