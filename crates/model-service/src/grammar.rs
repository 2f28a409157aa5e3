//! The grammar that an answer must follow: as sent, or made from `response_format` by llama.cpp's own converter.

use domain::Problem;
use llm::openai::ResponseFormat;

/// The longest grammar or schema, in bytes: llama.cpp's parsers recurse and expand, so their input is bounded.
const LONGEST_BYTES: usize = 64 * 1024;
/// The deepest nesting of groups in a grammar.
const DEEPEST_GROUPS: usize = 64;

/// The grammar in GBNF that `grammar` and `response_format` ask for together: at most one of them may.
pub fn of(response_format: Option<&ResponseFormat>, grammar: Option<&str>) -> Result<Option<String>, Problem> {
    let from_format = match response_format {
        None | Some(ResponseFormat::Text) => None,
        Some(ResponseFormat::JsonObject) => Some(from_schema(r#"{"type":"object"}"#)?),
        Some(ResponseFormat::JsonSchema { json_schema }) => Some(from_schema(&json_schema.schema.to_string())?),
    };
    match (from_format, grammar) {
        (Some(_), Some(_)) => {
            Err(Problem::invalid("both grammar and response_format are given").next("give one of them").at("grammar"))
        }
        (None, Some(text)) => check(text).map(|()| Some(text.to_owned())),
        (from_format, None) => Ok(from_format),
    }
}

fn from_schema(schema: &str) -> Result<String, Problem> {
    if schema.len() > LONGEST_BYTES {
        return Err(
            Problem::invalid(format!("the JSON schema is longer than {LONGEST_BYTES} bytes")).at("response_format")
        );
    }
    llama_cpp_2::json_schema_to_grammar(schema).map_err(|error| {
        Problem::invalid(format!("the JSON schema cannot be made into a grammar: {error}"))
            .next("use types, properties, required, enum, const, items, anyOf, allOf, local $ref, patterns with ^ and $, and bounds")
            .at("response_format")
    })
}

fn check(grammar: &str) -> Result<(), Problem> {
    let refuse = |cause: String| Err(Problem::invalid(cause).at("grammar"));
    if grammar.len() > LONGEST_BYTES {
        return refuse(format!("the grammar is longer than {LONGEST_BYTES} bytes"));
    }
    // Parentheses within quotes are counted too, which only makes the bound stricter.
    let mut depth = 0usize;
    for byte in grammar.bytes() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST_GROUPS {
            return refuse(format!("the grammar nests groups more than {DEEPEST_GROUPS} deep"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_become_grammars() {
        let format: ResponseFormat = serde_json::from_value(serde_json::json!({
            "type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object",
                "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false}}}))
        .expect("a format");
        let grammar = of(Some(&format), None).expect("converts").expect("a grammar");
        assert!(grammar.contains("root ::="), "{grammar}");
        assert_eq!(of(Some(&ResponseFormat::Text), None), Ok(None));
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        let format: ResponseFormat = serde_json::from_value(serde_json::json!({
            "type": "json_schema", "json_schema": {"name": "a", "schema": {"$ref": "#/$defs/missing"}}}))
        .expect("a format");
        assert!(of(Some(&format), None).is_err());
        assert!(of(Some(&ResponseFormat::JsonObject), Some("root ::= \"a\"")).is_err());
        assert!(of(None, Some(&format!("root ::= {}", "(".repeat(100)))).is_err());
        assert!(of(None, Some(&"x".repeat(LONGEST_BYTES + 1))).is_err());
    }
}
