// The official TypeScript MCP SDK, driven by test_mcp_clients.py: prints what it saw as one JSON object.
"use strict";
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = require("@modelcontextprotocol/sdk/client/streamableHttp.js");

function connect(token) {
  const transport = new StreamableHTTPClientTransport(new URL(process.env.SERVER_URL), {
    requestInit: { headers: { Authorization: `Bearer ${token}` } },
  });
  const client = new Client({ name: "e2e", version: "1.0.0" });
  return client.connect(transport).then(() => ({ client, transport }));
}

async function main() {
  const { client, transport } = await connect(process.env.TOKEN);
  const { tools } = await client.listTools();
  const quotas = await client.callTool({ name: "get_quotas", arguments: {} });
  const wrong = await client.callTool({ name: "get_quotas", arguments: { region: "atlantis" } });
  const unknownField = await client.callTool({ name: "get_quotas", arguments: { planet: "mars" } });
  const refused = await connect("no.such.token").then(() => "let in", (error) => String(error));
  console.log(
    JSON.stringify({
      protocol: transport.protocolVersion,
      tools: tools.map((tool) => tool.name),
      readOnly: tools.filter((tool) => tool.annotations?.readOnlyHint).map((tool) => tool.name),
      quotas,
      wrong,
      unknownField,
      refused,
    }),
  );
  await client.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
