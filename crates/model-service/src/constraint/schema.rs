//! What a JSON schema asks for, looked at before it is compiled: its size is bounded, and what the compiler cannot
//! follow to the letter is refused by its name and its place.
//!
//! It is no validator of schemas: the compiler says what else is wrong. Keywords that JSON Schema does not know are
//! ignored, as the standard wants.

use std::collections::HashSet;

use serde_json::{Map, Value};

/// The most schemas in one, each counted where it stands.
const MOST_SCHEMAS: usize = 4_000;
/// The deepest nesting of schemas, references not followed.
const DEEPEST: usize = 64;
/// The most levels that the compiler may go down: it follows each reference once, wherever it meets it first.
const MOST_LEVELS: usize = 4_000;
/// The most properties of all objects together.
const MOST_PROPERTIES: usize = 2_000;
/// The most optional ones of one object: each of them may come next.
const MOST_OPTIONAL: usize = 500;
/// The most values of `enum` together.
const MOST_VALUES: usize = 2_000;
/// The most patterns of property names in one object: each is compared with each.
const MOST_NAME_PATTERNS: usize = 8;
/// The longest pattern, constant or name.
const LONGEST_TEXT_BYTES: usize = 2_048;
/// The largest count of characters, items or properties.
const LARGEST_COUNT: u64 = 100_000;
/// The largest whole number that JSON's readers agree on.
const LARGEST_WHOLE: f64 = 9_007_199_254_740_991.0;

/// Keywords that restrict an answer in ways that the compiler does not know.
const NOT_FOLLOWED: &[&str] = &[
    "not",
    "if",
    "then",
    "else",
    "contains",
    "minContains",
    "maxContains",
    "propertyNames",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedItems",
    "unevaluatedProperties",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$vocabulary",
    "$anchor",
    "x-guidance",
];

/// What is wrong, and where: a JSON pointer into the schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause} (at {})", if .place.is_empty() { "/" } else { .place.as_str() })]
pub struct SchemaError {
    /// Where.
    pub place: String,
    /// What.
    pub cause: String,
}

/// Checks `schema`, and takes out what changes nothing and the compiler does not know.
pub fn check(schema: &mut Value) -> Result<(), SchemaError> {
    drop_empty_wishes(schema, 0);
    let schema: &Value = schema;
    let mut walk =
        Walk { root: schema, seen: HashSet::new(), pending: Vec::new(), place: Vec::new(), sizes: Sizes::default() };
    walk.schema(schema)?;
    while let Some((place, target)) = walk.pending.pop() {
        walk.place = vec![place];
        walk.sizes.depth = 1;
        walk.schema(target)?;
    }
    if (walk.seen.len() + 1) * walk.sizes.deepest > MOST_LEVELS {
        walk.place.clear();
        return walk.refuse("there are too many references between nested schemas");
    }
    Ok(())
}

/// `"uniqueItems": false` and the like.
fn drop_empty_wishes(value: &mut Value, depth: usize) {
    if depth > DEEPEST * 2 {
        return;
    }
    match value {
        Value::Object(map) => {
            for name in ["uniqueItems", "unevaluatedProperties", "unevaluatedItems", "$recursiveAnchor"] {
                if map.get(name) == Some(&Value::Bool(name.starts_with("unevaluated"))) {
                    map.remove(name);
                }
            }
            map.values_mut().for_each(|value| drop_empty_wishes(value, depth + 1));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| drop_empty_wishes(value, depth + 1)),
        _ => {}
    }
}

struct Walk<'a> {
    root: &'a Value,
    /// References that were met.
    seen: HashSet<&'a str>,
    /// What they point to and was not looked at yet, with the name of its place.
    pending: Vec<(String, &'a Value)>,
    place: Vec<String>,
    sizes: Sizes,
}

/// How much there is.
#[derive(Debug, Default)]
struct Sizes {
    schemas: usize,
    properties: usize,
    values: usize,
    depth: usize,
    deepest: usize,
}

impl<'a> Walk<'a> {
    fn refuse<T>(&self, cause: impl Into<String>) -> Result<T, SchemaError> {
        let place = self.place.iter().fold(String::new(), |place, step| {
            let step: String = step.chars().take(64).collect();
            // The first step after a reference is a pointer already.
            if step.starts_with('/') { step } else { place + "/" + &step.replace('~', "~0").replace('/', "~1") }
        });
        Err(SchemaError { place, cause: cause.into() })
    }

    fn within(&mut self, step: &str, value: &'a Value) -> Result<(), SchemaError> {
        self.place.push(step.to_owned());
        self.schema(value)?;
        self.place.pop();
        Ok(())
    }

    fn schema(&mut self, value: &'a Value) -> Result<(), SchemaError> {
        self.sizes.schemas += 1;
        if self.sizes.schemas > MOST_SCHEMAS {
            return self.refuse(format!("there are more than {MOST_SCHEMAS} schemas"));
        }
        let map = match value {
            Value::Bool(_) => return Ok(()),
            Value::Object(map) => map,
            _ => return self.refuse("a schema is an object, true or false"),
        };
        if self.sizes.depth == DEEPEST {
            return self.refuse(format!("schemas are nested more than {DEEPEST} deep"));
        }
        self.sizes.depth += 1;
        self.sizes.deepest = self.sizes.deepest.max(self.sizes.depth);
        for (name, value) in map {
            self.keyword(map, name, value)?;
        }
        self.sizes.depth -= 1;
        Ok(())
    }

    fn keyword(&mut self, map: &'a Map<String, Value>, name: &str, value: &'a Value) -> Result<(), SchemaError> {
        if NOT_FOLLOWED.contains(&name) {
            return self.refuse(format!("the keyword {name:?} is not supported"));
        }
        match (name, value) {
            ("uniqueItems", _) => self.refuse("the keyword \"uniqueItems\" is not supported"),
            ("$id" | "id", Value::String(_)) if self.sizes.depth > 1 => {
                self.refuse(format!("the keyword {name:?} is not supported within a schema"))
            }
            ("properties" | "patternProperties", Value::Object(schemas)) => {
                let required = map.get("required").and_then(Value::as_array).map_or(0, Vec::len);
                if schemas.len().saturating_sub(required) > MOST_OPTIONAL {
                    return self.refuse(format!("an object has more than {MOST_OPTIONAL} optional properties"));
                }
                self.named(name, schemas)
            }
            ("allOf" | "anyOf" | "oneOf" | "prefixItems" | "items", Value::Array(schemas)) => {
                self.place.push(name.to_owned());
                for (at, schema) in schemas.iter().enumerate() {
                    self.within(&at.to_string(), schema)?;
                }
                self.place.pop();
                Ok(())
            }
            ("items" | "additionalItems" | "additionalProperties", schema) => self.within(name, schema),
            ("$ref", Value::String(reference)) => self.follow(reference),
            ("enum", Value::Array(values)) => {
                self.sizes.values += values.len();
                if self.sizes.values > MOST_VALUES {
                    return self.refuse(format!("there are more than {MOST_VALUES} values of \"enum\""));
                }
                values.iter().try_for_each(|value| self.constant(name, value, 0))
            }
            ("const", value) => self.constant(name, value, 0),
            ("pattern", Value::String(text)) => self.text(name, text),
            ("minProperties", Value::Number(count)) => {
                let required = map.get("required").and_then(Value::as_array).map_or(0, Vec::len) as u64;
                if count.as_u64().is_some_and(|count| count > required + 1) {
                    // Names that an answer makes up itself may be equal, and equal names are one property.
                    return self
                        .refuse("\"minProperties\" may exceed the number of required properties by one at most");
                }
                self.count(name, count)
            }
            ("minLength" | "maxLength" | "minItems" | "maxItems" | "maxProperties", Value::Number(count)) => {
                self.count(name, count)
            }
            ("minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf", value) => {
                self.constant(name, value, 0)
            }
            _ => Ok(()),
        }
    }

    fn named(&mut self, keyword: &str, schemas: &'a Map<String, Value>) -> Result<(), SchemaError> {
        self.sizes.properties += schemas.len();
        if self.sizes.properties > MOST_PROPERTIES {
            return self.refuse(format!("there are more than {MOST_PROPERTIES} properties"));
        }
        if keyword == "patternProperties" && schemas.len() > MOST_NAME_PATTERNS {
            return self.refuse(format!("there are more than {MOST_NAME_PATTERNS} patterns of property names"));
        }
        self.place.push(keyword.to_owned());
        for (name, schema) in schemas {
            self.text("a name", name)?;
            self.within(name, schema)?;
        }
        self.place.pop();
        Ok(())
    }

    /// Notes what a reference points to, once.
    fn follow(&mut self, reference: &'a str) -> Result<(), SchemaError> {
        let Some(pointer) = reference.strip_prefix('#').filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
            return self.refuse("\"$ref\" may only point into the same schema, as \"#/$defs/name\"");
        };
        self.text("$ref", reference)?;
        if !self.seen.insert(reference) {
            return Ok(());
        }
        let Some(target) = self.root.pointer(&percent_decoded(pointer)) else {
            return self.refuse(format!("\"$ref\" points to nothing: {reference:?}"));
        };
        if leads_to_itself(self.root, target) {
            return self.refuse(format!("\"$ref\" leads only to itself: {reference:?}"));
        }
        self.pending.push((pointer.chars().take(200).collect(), target));
        Ok(())
    }

    fn count(&self, name: &str, count: &serde_json::Number) -> Result<(), SchemaError> {
        match count.as_u64() {
            Some(count) if count <= LARGEST_COUNT => Ok(()),
            _ => self.refuse(format!("{name:?} is not a whole number from 0 to {LARGEST_COUNT}")),
        }
    }

    fn text(&self, name: &str, text: &str) -> Result<(), SchemaError> {
        if text.len() <= LONGEST_TEXT_BYTES {
            return Ok(());
        }
        self.refuse(format!("{name:?} is longer than {LONGEST_TEXT_BYTES} bytes"))
    }

    /// A value that an answer is compared with.
    fn constant(&mut self, name: &str, value: &Value, depth: usize) -> Result<(), SchemaError> {
        if depth == DEEPEST {
            return self.refuse(format!("{name:?} is nested more than {DEEPEST} deep"));
        }
        match value {
            Value::Null | Value::Bool(_) => Ok(()),
            Value::String(text) => self.text(name, text),
            Value::Number(number) => {
                let whole = number.is_i64() || number.is_u64();
                if whole && number.as_f64().is_some_and(|number| number.abs() > LARGEST_WHOLE) {
                    return self.refuse(format!("{name:?} holds a whole number beyond 2^53"));
                }
                Ok(())
            }
            Value::Array(values) => {
                self.sizes.values += values.len();
                self.bounded_values(name)?;
                values.iter().try_for_each(|value| self.constant(name, value, depth + 1))
            }
            Value::Object(map) => {
                self.sizes.values += map.len();
                self.bounded_values(name)?;
                map.iter().try_for_each(|(key, value)| {
                    self.text(name, key)?;
                    self.constant(name, value, depth + 1)
                })
            }
        }
    }

    fn bounded_values(&self, name: &str) -> Result<(), SchemaError> {
        if self.sizes.values <= MOST_VALUES {
            return Ok(());
        }
        self.refuse(format!("{name:?} holds more than {MOST_VALUES} values"))
    }
}

/// Whether a schema is nothing but references that come back to one that was met.
fn leads_to_itself(root: &Value, start: &Value) -> bool {
    let mut met: Vec<&Value> = Vec::new();
    let mut at = start;
    while let Some(reference) = at.get("$ref").and_then(Value::as_str) {
        if met.iter().any(|before| std::ptr::eq(*before, at)) {
            return true;
        }
        met.push(at);
        let Some(next) = reference.strip_prefix('#').and_then(|pointer| root.pointer(&percent_decoded(pointer))) else {
            return false;
        };
        at = next;
        if met.len() > DEEPEST {
            return true;
        }
    }
    false
}

/// A fragment's `%2F` and the like.
fn percent_decoded(pointer: &str) -> String {
    let bytes = pointer.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let code = (byte == b'%').then(|| pointer.get(at + 1..at + 3)).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn properties(count: usize, schema: &Value) -> Value {
        let map: Map<String, Value> = (0..count).map(|at| (format!("k{at}"), schema.clone())).collect();
        json!({"type": "object", "properties": map, "additionalProperties": false})
    }

    #[test]
    fn ordinary_schemas_pass() {
        let cases = [
            json!(true),
            json!({"type": "object", "properties": {"not": {"type": "string"}, "$id": {"type": "string"}}}),
            json!({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "boolean"}}}),
            json!({"$ref": "#/$defs/a%20b", "$defs": {"a b": {"type": "boolean"}}}),
            json!({"$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}}, "$ref": "#/$defs/node"}),
            json!({"type": "array", "items": {"enum": ["a", 1, null, {"b": []}]}, "uniqueItems": false}),
            json!({"type": "object", "required": ["a"], "minProperties": 2, "x-own": 1}),
            properties(500, &json!({"type": "integer"})),
        ];
        for mut schema in cases {
            assert_eq!(check(&mut schema), Ok(()), "{schema:.100}");
        }
        let mut wish = json!({"type": "array", "uniqueItems": false});
        assert_eq!(check(&mut wish), Ok(()));
        assert_eq!(wish, json!({"type": "array"}));
    }

    #[test]
    fn what_cannot_be_followed_is_named_with_its_place() {
        let nest = |depth: usize| (0..depth).fold(json!({"type": "string"}), |inner, _| json!({"items": inner}));
        let link = |at: usize| {
            let end = json!({"$ref": format!("#/$defs/d{}", at + 1)});
            (0..10).fold(end, |inner, _| json!({"items": inner}))
        };
        let chain: Map<String, Value> = (0..350).map(|at| (format!("d{at}"), link(at))).collect();
        let chain = Value::Object(chain.into_iter().chain([("d350".to_owned(), json!(true))]).collect());
        let cases = [
            (json!({"not": {}}), "not", ""),
            (json!({"items": {"if": true}}), "if", "/items"),
            (json!({"properties": {"a/b": {"uniqueItems": true}}}), "uniqueItems", "/properties/a~1b"),
            (json!({"anyOf": [{}, {"propertyNames": {}}]}), "propertyNames", "/anyOf/1"),
            (json!({"x-guidance": {"lenient": true}}), "x-guidance", ""),
            (json!({"$ref": "https://example.com/a"}), "$ref", ""),
            (json!({"$ref": "#/nowhere"}), "points to nothing", ""),
            (json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}), "itself", ""),
            (json!({"$ref": "#"}), "itself", ""),
            (json!({"$ref": "#/$defs/d0", "$defs": chain}), "references", ""),
            (nest(200), "nested", "/items"),
            (properties(1_500, &json!({"type": "integer"})), "properties", ""),
            (properties(6_500, &json!({})), "properties", ""),
            (json!({"enum": vec![0; 5_000]}), "enum", ""),
            (json!({"const": vec![0; 5_000]}), "values", ""),
            (json!({"pattern": "a".repeat(5_000)}), "pattern", ""),
            (json!({"minItems": 4_000_000_000u64}), "minItems", ""),
            (json!({"maxLength": -1}), "maxLength", ""),
            (json!({"maxLength": 1.5}), "maxLength", ""),
            (json!({"const": 9_007_199_254_740_993u64}), "2^53", ""),
            (json!({"minProperties": 3}), "minProperties", ""),
            (json!({"items": 3}), "schema is an object", "/items"),
            (json!("text"), "schema is an object", ""),
        ];
        for (mut schema, cause, place) in cases {
            let error = check(&mut schema).expect_err(cause);
            assert!(error.cause.contains(cause), "{error}");
            assert!(error.place.starts_with(place), "{error}");
            assert!(error.to_string().len() < 7_000, "{error}");
        }
    }
}
