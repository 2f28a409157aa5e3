//! Labels: on the wire a list of pairs, since many models and their clients cannot fill in an object with open names.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// Most labels of one thing.
pub const LABELS_MAX: usize = 64;
/// Longest key of a label, in characters.
pub const KEY_CHARS_MAX: usize = 63;
/// Longest value of a label, in characters.
pub const VALUE_CHARS_MAX: usize = 255;

/// Labels by their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(BTreeMap<String, String>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Label<'a> {
    key: Cow<'a, str>,
    value: Cow<'a, str>,
}

/// The key that stands twice among the `labels` of arguments: a schema cannot say that it must not.
pub(super) fn given_twice(arguments: &Value) -> Option<&str> {
    let mut seen = BTreeSet::new();
    let labels = arguments.get("labels").and_then(Value::as_array).into_iter().flatten();
    labels.filter_map(|label| label["key"].as_str()).find(|key| !seen.insert(*key))
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(key, value)| Label { key: key.into(), value: value.into() }))
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut labels = BTreeMap::new();
        for Label { key, value } in Vec::<Label<'_>>::deserialize(deserializer)? {
            if labels.insert(key.clone().into_owned(), value.into_owned()).is_some() {
                return Err(D::Error::custom(format!("the label {key:?} is given twice")));
            }
        }
        Ok(Self(labels))
    }
}

impl JsonSchema for Labels {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Labels".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "maxItems": LABELS_MAX,
            "items": {
                "type": "object",
                "properties": {
                    "key": { "type": "string", "minLength": 1, "maxLength": KEY_CHARS_MAX },
                    "value": { "type": "string", "maxLength": VALUE_CHARS_MAX },
                },
                "required": ["key", "value"],
                "additionalProperties": false,
            },
        })
    }
}

impl From<BTreeMap<String, String>> for Labels {
    fn from(labels: BTreeMap<String, String>) -> Self {
        Self(labels)
    }
}

impl From<Labels> for BTreeMap<String, String> {
    fn from(labels: Labels) -> Self {
        labels.0
    }
}

impl Deref for Labels {
    type Target = BTreeMap<String, String>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Labels {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn they_are_a_list_of_pairs_with_each_key_once() {
        let wire = json!([{ "key": "a", "value": "1" }, { "key": "b", "value": "" }]);
        let labels: Labels = from_value(wire.clone()).expect("labels");
        assert_eq!((labels.len(), labels["a"].as_str()), (2, "1"));
        assert_eq!(to_value(&labels).expect("json"), wire);
        for wrong in [
            json!({ "a": "1" }),
            json!([{ "key": "a" }]),
            json!([{ "key": "a", "value": 1 }]),
            json!([{ "key": "a", "value": "1", "more": "x" }]),
            json!([{ "key": "a", "value": "1" }, { "key": "a", "value": "2" }]),
        ] {
            assert!(from_value::<Labels>(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
