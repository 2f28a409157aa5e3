//! The fixture as the library's handler: from names to contents.

use std::time::Duration;

use cloud::server::entrance::VERSIONS;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, DiscoverResult, ErrorData,
    GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ProtocolVersion,
    ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig, SubscribeRequestParams,
    SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::content;
use crate::dialogue::{self, Turn};

/// The server.
pub struct Fixture;

/// What it declares: all that its transport can do without sessions.
pub fn capabilities() -> ServerCapabilities {
    typed(json!({
        "tools": {}, "prompts": {}, "resources": { "subscribe": true }, "completions": {}, "logging": {},
    }))
    .unwrap_or_default()
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|e| ErrorData::internal_error(e.to_string(), None))
}

/// A result that is complete. The library leaves its mark out for older revisions.
fn complete<T: DeserializeOwned>(mut value: Value) -> Result<T, ErrorData> {
    value["resultType"] = json!("complete");
    typed(value)
}

fn unknown(what: &str) -> ErrorData {
    ErrorData::invalid_params(format!("there is no {what}"), None)
}

fn as_value<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn tools() -> Vec<Tool> {
    let dialogues = dialogue::all();
    let others = [
        "test_tool_with_progress",
        "test_tool_with_logging",
        "test_logging_tool",
        "test_missing_capability",
        "test_input_required_result_capabilities",
    ];
    let asking = dialogues.iter().map(|dialogue| dialogue.name).filter(|name| !name.ends_with("_prompt"));
    let names = content::TOOLS.iter().copied().chain(others).chain(asking);
    let plain = json!({ "type": "object", "properties": {} });
    let mut tools: Vec<Value> = names
        .map(|name| json!({ "name": name, "description": "A tool of the conformance tests.", "inputSchema": plain }))
        .collect();
    tools.push(json!({
        "name": "test_custom_headers", "description": "Mirrors its argument.",
        "inputSchema": { "type": "object", "properties": { "region": { "type": "string", "x-mcp-header": "Region" } } },
    }));
    tools.push(schema_tool());
    typed(Value::Array(tools)).unwrap_or_default()
}

/// The tool whose schema must come through as it is.
fn schema_tool() -> Value {
    json!({
        "name": "json_schema_2020_12_tool", "description": "Tool with JSON Schema 2020-12 features",
        "inputSchema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
            "$defs": { "address": { "$anchor": "addressDef", "type": "object", "properties": {
                "street": { "type": "string" }, "city": { "type": "string" } } } },
            "properties": { "name": { "type": "string" }, "address": { "$ref": "#/$defs/address" },
                "contactMethod": { "type": "string", "enum": ["phone", "email"] },
                "phone": { "type": "string" }, "email": { "type": "string" } },
            "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
            "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
            "then": { "required": ["phone"] }, "else": { "required": ["email"] },
            "additionalProperties": false,
        },
    })
}

async fn progress(context: &RequestContext<RoleServer>) -> Value {
    if let Some(token) = context.meta.get_progress_token() {
        for done in [0.0, 50.0, 100.0] {
            let note = ProgressNotificationParam::new(token.clone(), done).with_total(100.0);
            // Who has left needs no news.
            let _ = context.peer.notify_progress(note).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    json!({ "content": [{ "type": "text", "text": "Done." }] })
}

#[allow(deprecated, reason = "the older revision has log messages")]
async fn log(context: &RequestContext<RoleServer>) -> Value {
    for text in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        let note = json!({ "level": "info", "data": text });
        if let Ok(note) = serde_json::from_value(note) {
            // Who has left needs no news.
            let _ = context.peer.notify_logging_message(note).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    json!({ "content": [{ "type": "text", "text": "Done." }] })
}

#[allow(deprecated, reason = "the older revision has a method for the level of logs")]
impl ServerHandler for Fixture {
    fn get_info(&self) -> ServerConfig {
        let mut info = ServerConfig::new(capabilities());
        info.server_info = Implementation::new("conformance-fixture", env!("CARGO_PKG_VERSION"));
        info
    }

    fn supported_protocol_versions(&self) -> std::borrow::Cow<'static, [ProtocolVersion]> {
        VERSIONS.into()
    }

    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        Ok(DiscoverResult::from_server_info(VERSIONS.to_vec(), self.get_info()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools().into_iter().find(|tool| tool.name == name)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let declared = as_value(&context.client_capabilities());
        if let Some(result) = content::tool(&request.name) {
            return complete(result).map(CallToolResponse::Complete);
        }
        if let Some(dialogue) = dialogue::all().iter().find(|dialogue| dialogue.name == request.name) {
            let answers = request.input_responses.as_ref().map(as_value);
            return match dialogue.turn(answers.as_ref(), request.request_state.as_deref()) {
                Turn::Ask(result) => typed(result).map(CallToolResponse::InputRequired),
                Turn::Done(text) => {
                    complete(json!({ "content": [{ "type": "text", "text": text }] })).map(CallToolResponse::Complete)
                }
                Turn::Tampered => Err(ErrorData::invalid_params("the request state was tampered with", None)),
            };
        }
        match &*request.name {
            "test_tool_with_progress" => complete(progress(&context).await).map(CallToolResponse::Complete),
            "test_tool_with_logging" if context.protocol_version() < Some(ProtocolVersion::V_2026_07_28) => {
                complete(log(&context).await).map(CallToolResponse::Complete)
            }
            "test_input_required_result_capabilities" => {
                typed(dialogue::within(&declared)).map(CallToolResponse::InputRequired)
            }
            "test_missing_capability" if declared.get("sampling").is_none() => {
                Err(ErrorData::missing_required_client_capability(typed(json!({ "sampling": {} }))?))
            }
            "test_missing_capability"
            | "test_custom_headers"
            | "json_schema_2020_12_tool"
            | "test_logging_tool"
            | "test_tool_with_logging" => {
                complete(json!({ "content": [{ "type": "text", "text": "Done." }] })).map(CallToolResponse::Complete)
            }
            name => Err(unknown(&format!("tool {name:?}"))),
        }
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(typed(content::prompts())?))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if let Some(dialogue) = dialogue::all().iter().find(|dialogue| dialogue.name == request.name) {
            let answers = request.input_responses.as_ref().map(as_value);
            return match dialogue.turn(answers.as_ref(), request.request_state.as_deref()) {
                Turn::Ask(result) => typed(result).map(GetPromptResponse::InputRequired),
                Turn::Done(text) => {
                    let message = json!({ "role": "user", "content": { "type": "text", "text": text } });
                    complete(json!({ "messages": [message] })).map(GetPromptResponse::Complete)
                }
                Turn::Tampered => Err(ErrorData::invalid_params("the request state was tampered with", None)),
            };
        }
        let given = as_value(&request.arguments);
        let argument = |name: &str| given[name].as_str().unwrap_or_default().to_owned();
        let found = content::prompt(&request.name, argument).ok_or_else(|| unknown("such prompt"))?;
        complete(found).map(GetPromptResponse::Complete)
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(typed(content::resources())?))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(typed(content::templates())?))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let found = content::read(&request.uri)
            .ok_or_else(|| ErrorData::resource_not_found("Resource not found", Some(json!({ "uri": request.uri }))))?;
        complete(found).map(ReadResourceResponse::Complete)
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn set_level(
        &self,
        _: rmcp::model::SetLevelRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        complete(json!({ "completion": { "values": ["paris", "park", "party"], "total": 3, "hasMore": false } }))
    }
}
