// CoinGecko's MCP server as a language model's program starts it, with its address changed by a variable.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const [root, key] = JSON.parse(process.argv.at(-1));
const transport = new StdioClientTransport({
  command: "node",
  args: ["node_modules/@coingecko/coingecko-mcp/index.js"],
  env: {
    ...process.env,
    PATH: `${process.cwd()}/node_modules/.bin:${process.env.PATH}`, // it runs code with Deno
    COINGECKO_BASE_URL: root,
    COINGECKO_DEMO_API_KEY: key,
  },
});
const client = new Client({ name: "test", version: "1" });
await client.connect(transport);
const { tools } = await client.listTools();
const code = `async function run(client) {
  const [price, markets] = await Promise.all([
    client.simple.price.get({ ids: "bitcoin", vs_currencies: "usd" }),
    client.coins.markets.get({ vs_currency: "usd", per_page: 2 }),
  ]);
  return { price, markets };
}`;
const answer = await client.callTool({ name: "execute", arguments: { code, intent: "prices" } });
await client.close();
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), answer }));
process.exit(0);
