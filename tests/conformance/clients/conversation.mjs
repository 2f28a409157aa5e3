// What every Node client does with a cloud's server; the twin of conversation.py.
export const url = new URL(process.env.SERVER_URL);
export const headers = { Authorization: `Bearer ${process.env.TOKEN}` };

export async function converse(client) {
  const deploy = JSON.parse(process.env.DEPLOY);
  const call = async (name, args) => (await client.callTool({ name, arguments: args })).structuredContent;
  const { tools } = await client.listTools();
  const seen = { tools: tools.map((tool) => tool.name) };
  seen.read = await call("get_quotas", {});
  seen.write = await call("deploy_model", deploy);
  seen.repeat = await call("deploy_model", deploy);
  seen.other = await call("deploy_model", { ...deploy, nodepool: `${deploy.nodepool}-other` });
  const { region, nodepool, idempotency_token: token } = deploy;
  seen.teardown = await call("scale_nodepool", { region, nodepool, size: 0, idempotency_token: `${token}-away` });
  console.log(JSON.stringify(seen));
  await client.close();
}
