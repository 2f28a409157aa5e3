//! The pipeline as an MCP server: what the library asks of a handler, and nothing decided here.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use domain::Problem;
use domain::text::printable;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, DiscoverResult, Implementation,
    ListToolsResult, PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::Value;

use super::auth::Principal;
use super::entrance::VERSIONS;
use super::pipeline::Pipeline;
use crate::contract::envelope::{Envelope, Status};
use crate::contract::{ToolSpec, catalog, find};

/// Longest name of a tool that is quoted, in characters.
const NAME_CHARS_MAX: usize = 64;
/// How long a client may keep lists, in milliseconds. They change with the program's version and the caller's roles.
const LIST_TTL_MS: u64 = 300_000;

// A handler is made for every request; the definitions are not.
static TOOLS: LazyLock<Vec<Tool>> = LazyLock::new(|| catalog().iter().map(definition).collect());

fn definition(spec: &ToolSpec) -> Tool {
    let annotations = ToolAnnotations::new()
        .read_only(spec.hints.read_only)
        .destructive(spec.hints.destructive)
        .idempotent(spec.hints.idempotent)
        .open_world(false);
    Tool::new(spec.name, spec.description, spec.input_schema.clone())
        .with_raw_output_schema(spec.output_schema.clone())
        .with_annotations(annotations)
}

/// What the servers of clouds declare: tools, and nothing else.
pub(super) fn capabilities() -> ServerCapabilities {
    ServerCapabilities::builder().enable_tools().build()
}

/// One request's handler.
#[derive(Clone)]
pub(super) struct Handler {
    pub pipeline: Arc<Pipeline>,
}

impl Handler {
    fn principal(context: &RequestContext<RoleServer>) -> Result<Principal, ErrorData> {
        let parts = context.extensions.get::<http::request::Parts>();
        let principal = parts.and_then(|parts| parts.extensions.get::<Principal>()).cloned();
        // Only a wiring without the gate leads here.
        principal.ok_or_else(|| ErrorData::internal_error("the request was not authenticated", None))
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let cloud = &self.pipeline.cloud;
        let name = format!("mcp-cloud-{}", cloud.name());
        let mut info = ServerConfig::new(capabilities());
        info.server_info = Implementation::new(name, env!("CARGO_PKG_VERSION"));
        info.instructions = Some(cloud.instructions());
        info
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(VERSIONS)
    }

    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        Ok(DiscoverResult::from_server_info(VERSIONS.to_vec(), self.get_info())
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Private))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        TOOLS.iter().find(|tool| tool.name == name).cloned()
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        // The list comes whole, so no cursor was ever given out.
        if request.is_some_and(|request| request.cursor.is_some()) {
            return Err(refused(Problem::invalid("this cursor was not given out here").at("params.cursor")));
        }
        let principal = Self::principal(&context)?;
        let tools = self.pipeline.list(&principal).filter_map(|spec| self.get_tool(spec.name)).collect();
        Ok(ListToolsResult::with_all_items(tools).with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Private))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let principal = Self::principal(&context)?;
        let spec = find(&request.name).ok_or_else(|| {
            let cause = format!("there is no tool {:?}", printable(&request.name, NAME_CHARS_MAX));
            refused(Problem::invalid(cause).next("use one of the names in tools/list").at("params.name"))
        })?;
        let envelope = self.pipeline.call(&principal, spec, request.arguments.unwrap_or_default()).await;
        let outcome = if envelope.status == Status::Failed { "failed" } else { "ok" };
        metrics::counter!(telemetry::metric::CLOUD_TOOL_CALLS.name, "tool" => spec.name, "outcome" => outcome)
            .increment(1);
        result(&envelope).map(CallToolResponse::Complete)
    }
}

/// A problem with a request, as a JSON-RPC error.
fn refused(problem: Problem) -> ErrorData {
    ErrorData::invalid_params(problem.cause.clone(), serde_json::to_value(&problem).ok())
}

/// The envelope as structured content, and the same JSON as text: some clients show their model the text alone.
fn result(envelope: &Envelope<Value>) -> Result<CallToolResult, ErrorData> {
    let value = serde_json::to_value(envelope).map_err(|e| ErrorData::internal_error(e.to_string(), None))?;
    let mut result = CallToolResult::success(vec![ContentBlock::text(value.to_string())]);
    result.structured_content = Some(value);
    result.is_error = Some(envelope.status == Status::Failed);
    Ok(result)
}
