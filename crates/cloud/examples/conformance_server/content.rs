//! What the tool's scenarios ask for by name, as it goes over the wire.

use serde_json::{Value, json};

/// One red pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
/// No sample of sound.
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn image() -> Value {
    json!({ "type": "image", "data": PNG, "mimeType": "image/png" })
}

fn resource(uri: &str, mime: &str, text: &str) -> Value {
    json!({ "type": "resource", "resource": { "uri": uri, "mimeType": mime, "text": text } })
}

fn user(content: Value) -> Value {
    json!({ "role": "user", "content": content })
}

/// Names of the tools with a fixed result.
pub const TOOLS: &[&str] = &[
    "test_simple_text",
    "test_image_content",
    "test_audio_content",
    "test_embedded_resource",
    "test_multiple_content_types",
    "test_error_handling",
];

/// The result of a tool that always gives the same.
pub fn tool(name: &str) -> Option<Value> {
    let content = match name {
        "test_simple_text" => vec![text("This is a simple text response for testing.")],
        "test_image_content" => vec![image()],
        "test_audio_content" => vec![json!({ "type": "audio", "data": WAV, "mimeType": "audio/wav" })],
        "test_embedded_resource" => {
            vec![resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")]
        }
        "test_multiple_content_types" => vec![
            text("Multiple content types test:"),
            image(),
            resource("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#),
        ],
        "test_error_handling" => {
            let content = [text("This tool intentionally returns an error for testing")];
            return Some(json!({ "content": content, "isError": true }));
        }
        _ => return None,
    };
    Some(json!({ "content": content }))
}

/// The prompts.
pub fn prompts() -> Value {
    let argument = |name: &str| json!({ "name": name, "description": "An argument.", "required": true });
    json!([
        { "name": "test_simple_prompt", "description": "A prompt." },
        { "name": "test_prompt_with_arguments", "description": "A prompt.",
          "arguments": [argument("arg1"), argument("arg2")] },
        { "name": "test_prompt_with_embedded_resource", "description": "A prompt.",
          "arguments": [argument("resourceUri")] },
        { "name": "test_prompt_with_image", "description": "A prompt." },
        { "name": "test_input_required_result_prompt", "description": "A prompt that asks first." },
    ])
}

/// A prompt with its arguments filled in.
pub fn prompt(name: &str, argument: impl Fn(&str) -> String) -> Option<Value> {
    let messages = match name {
        "test_simple_prompt" => vec![user(text("This is a simple prompt for testing."))],
        "test_prompt_with_arguments" => {
            let (one, two) = (argument("arg1"), argument("arg2"));
            vec![user(text(&format!("Prompt with arguments: arg1='{one}', arg2='{two}'")))]
        }
        "test_prompt_with_embedded_resource" => vec![
            user(resource(&argument("resourceUri"), "text/plain", "Embedded resource content for testing.")),
            user(text("Please process the embedded resource above.")),
        ],
        "test_prompt_with_image" => vec![user(image()), user(text("Please analyze the image above."))],
        _ => return None,
    };
    Some(json!({ "messages": messages }))
}

/// The resources, without the template's.
pub fn resources() -> Value {
    json!([
        { "uri": "test://static-text", "name": "text", "description": "A text.", "mimeType": "text/plain" },
        { "uri": "test://static-binary", "name": "image", "description": "An image.", "mimeType": "image/png" },
        { "uri": "test://watched-resource", "name": "watched", "description": "A text.", "mimeType": "text/plain" },
    ])
}

/// The template.
pub fn templates() -> Value {
    json!([{ "uriTemplate": "test://template/{id}/data", "name": "template", "description": "Data by id.",
             "mimeType": "application/json" }])
}

/// What is read at `uri`.
pub fn read(uri: &str) -> Option<Value> {
    let contents = match uri {
        "test://static-text" => {
            json!({ "mimeType": "text/plain", "text": "This is the content of the static text resource." })
        }
        "test://watched-resource" => json!({ "mimeType": "text/plain", "text": "Watched." }),
        "test://static-binary" => json!({ "mimeType": "image/png", "blob": PNG }),
        _ => {
            let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
            let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            json!({ "mimeType": "application/json", "text": data.to_string() })
        }
    };
    let mut contents = contents;
    contents["uri"] = json!(uri);
    Some(json!({ "contents": [contents] }))
}
