//! One text for one meaning: JSON with sorted keys, and the digest of what a call asks for.

use serde_json::Value;

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
