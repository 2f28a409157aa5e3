// The official OpenAI Node SDK, driven by test_openai_node.py: prints what it saw as one JSON object.
"use strict";
const { OpenAI } = require("openai");

const messages = [{ role: "user", content: "Tell me about the Heron." }];
const options = { model: "demo", messages, max_tokens: 24, temperature: 0 };

async function main() {
  const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0 });
  const whole = await client.chat.completions.create(options);
  const pieces = [];
  for await (const chunk of await client.chat.completions.create({ ...options, stream: true })) {
    if (chunk.choices[0]?.delta?.content) pieces.push(chunk.choices[0].delta.content);
  }
  const embedding = await client.embeddings.create({ model: "demo", input: "The Heron sails." });
  const stranger = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "sk-wrong", maxRetries: 0 });
  const refused = await stranger.models.list().catch((error) => ({ name: error.constructor.name, status: error.status }));
  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  console.log(
    JSON.stringify({
      text: whole.choices[0].message.content,
      usage: whole.usage,
      pieces,
      dimensions: embedding.data[0].embedding.length,
      refused,
      models,
    }),
  );
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
