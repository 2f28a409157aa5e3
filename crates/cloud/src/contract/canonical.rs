//! One text for one meaning: JSON with sorted keys, and the digest of what a call asks for.

use serde_json::{Number, Value};

/// Members that do not change what a call does.
const NOT_PART_OF_THE_ASK: [&str; 3] = ["idempotency_token", "reason", "dry_run"];

/// BLAKE3 digest, in hexadecimal, of checked arguments without token, reason and dry run.
#[must_use]
pub fn digest(arguments: &Value) -> String {
    let mut asked = arguments.clone();
    if let Value::Object(members) = &mut asked {
        members.retain(|name, _| !NOT_PART_OF_THE_ASK.contains(&name.as_str()));
    }
    let mut text = String::new();
    write_sorted(&asked, &mut text);
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

fn write_sorted(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            text.push('{');
            for (name, member) in sorted {
                text.push_str(&Value::String(name.clone()).to_string());
                text.push(':');
                write_sorted(member, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write_sorted(item, text);
                text.push(',');
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

/// Numbers without a fraction as integers, everywhere in `value`: JSON Schema says that 2.0 is one. What no integer of
/// 64 bits can hold stays as it is.
#[must_use]
pub fn integral(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(whole(&number).unwrap_or(number)),
        Value::Array(items) => Value::Array(items.into_iter().map(integral).collect()),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, member)| (name, integral(member))).collect())
        }
        other => other,
    }
}

/// Objects without the members that are null. Items of arrays stay: one that is null is a mistake.
#[must_use]
pub fn without_nulls(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        Value::Object(members) => {
            let told = members.into_iter().filter(|(_, member)| !member.is_null());
            Value::Object(told.map(|(name, member)| (name, without_nulls(member))).collect())
        }
        other => other,
    }
}

// 2^64 and -2^63 are exact in a double, and the comparisons keep what is cast within the integer's range.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(number: &Number) -> Option<Number> {
    let float = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0)?;
    if (0.0..18_446_744_073_709_551_616.0).contains(&float) {
        Some((float as u64).into())
    } else if (-9_223_372_036_854_775_808.0..0.0).contains(&float) {
        Some((float as i64).into())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_without_a_fraction_is_an_integer() {
        let given = json!({"a": 2.0, "b": [-3.0, 1.5, {"c": -0.0}], "d": 1e19, "e": 1e300, "f": "2.0"});
        let wanted =
            json!({"a": 2, "b": [-3, 1.5, {"c": 0}], "d": 10_000_000_000_000_000_000_u64, "e": 1e300, "f": "2.0"});
        assert_eq!(integral(given), wanted);
        assert_eq!(digest(&integral(json!({"size": 2.0}))), digest(&json!({"size": 2})));
    }

    #[test]
    fn order_token_and_reason_do_not_count_and_all_else_does() {
        let one = digest(&json!({"size": 3, "labels": {"a": "1", "b": "2"}, "idempotency_token": "x"}));
        let same = digest(&json!({"reason": "again", "labels": {"b": "2", "a": "1"}, "size": 3}));
        assert_eq!(one, same);
        for other in [
            json!({"size": 4, "labels": {"a": "1", "b": "2"}}),
            json!({"size": "3", "labels": {"a": "1", "b": "2"}}),
            json!({"size": 3, "labels": {"a": "1,b:2"}}),
        ] {
            assert_ne!(one, digest(&other), "{other}");
        }
    }
}
