//! The library's own client, in each of its lifecycles.

use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt as _};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::json;

use super::probe::{Probe, ensure};

pub(super) async fn the_library_client_is_served_in_every_lifecycle(probe: &Probe) -> Result<(), String> {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    let legacy_version = Some(ProtocolVersion::V_2025_11_25);
    for lifecycle in [
        ClientLifecycleMode::Initialize,
        ClientLifecycleMode::Discover { preferred_versions: preferred_versions.clone() },
        ClientLifecycleMode::Auto { preferred_versions, legacy_version },
    ] {
        let name = format!("{lifecycle:?}");
        run(probe, lifecycle).await.map_err(|found| format!("{name}: {found}"))?;
    }
    Ok(())
}

async fn run(probe: &Probe, lifecycle: ClientLifecycleMode) -> Result<(), String> {
    let config = StreamableHttpClientTransportConfig::with_uri(probe.target.url.as_str())
        .auth_header(probe.target.operator_token.as_str());
    let transport = StreamableHttpClientTransport::with_client(probe.http.clone(), config);
    let client = ().serve_with_lifecycle(transport, lifecycle).await.map_err(|e| e.to_string())?;
    let tools = client.list_all_tools().await.map_err(|e| e.to_string())?;
    ensure!(tools.len() == probe.listed().await?.len(), "{} tools are listed", tools.len());
    let arguments = json!({ "region": probe.target.region });
    let mut call = CallToolRequestParams::new("get_quotas");
    call.arguments = arguments.as_object().cloned();
    let result = client.call_tool(call).await.map_err(|e| e.to_string())?;
    ensure!(result.is_error == Some(false), "{result:?}");
    let quotas = result.structured_content.unwrap_or_default();
    ensure!(quotas["resource"]["quotas"][0]["region"] == probe.target.region.as_str(), "{quotas}");
    client.cancel().await.map_err(|e| e.to_string())?;
    Ok(())
}
