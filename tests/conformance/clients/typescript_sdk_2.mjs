// The official TypeScript SDK, 2.x.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { converse, headers, url } from "./conversation.mjs";

const require = createRequire(`${process.env.NODE_HOME}/`);
const { Client, StreamableHTTPClientTransport } = await import(
  pathToFileURL(require.resolve("@modelcontextprotocol/client")).href
);

const client = new Client({ name: "conformance", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } });
await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
await converse(client);
