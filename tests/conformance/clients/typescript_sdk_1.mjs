// The official TypeScript SDK, 1.x. SDK names which of the installed ones.
import { createRequire } from "node:module";
import { converse, headers, url } from "./conversation.mjs";

const require = createRequire(`${process.env.NODE_HOME}/`);
const { Client } = require(`${process.env.SDK}/client/index.js`);
const { StreamableHTTPClientTransport } = require(`${process.env.SDK}/client/streamableHttp.js`);

const client = new Client({ name: "conformance", version: "1.0.0" });
await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
await converse(client);
