// Ready snippets for each way to connect. None contains an API key.

type Block = { readonly label: string; readonly code: string };
export type Snippet = {
  readonly title: string;
  readonly text: string;
  readonly blocks: (origin: string) => readonly Block[];
};

export const SNIPPETS: readonly [Snippet, ...Snippet[]] = [
  {
    title: "curl",
    text: "Every call is HTTP with JSON. The stream of changes is server-sent events, or a WebSocket.",
    blocks: (origin) => [
      {
        label: "Write a value",
        code: `curl ${origin}/set \\
  -H "x-api-key: $MEMX_API_KEY" -H 'content-type: application/json' \\
  -d '{"key":"agent:goal","value":{"x":1}}'`,
      },
      { label: "Read it", code: `curl '${origin}/get?key=agent:goal' -H "x-api-key: $MEMX_API_KEY"` },
      {
        label: "Watch every key of the team",
        code: `curl -N '${origin}/watch?pattern=agent:*' \\
  -H "x-api-key: $MEMX_API_KEY" -H 'accept: text/event-stream'`,
      },
    ],
  },
  {
    title: "TypeScript",
    text: "The client memx-sdk reconnects by itself, misses no change, and retries safely.",
    blocks: (origin) => [
      {
        label: "Write, read and watch",
        code: `import { MemX } from "memx-sdk";

// Reads the API key from MEMX_API_KEY.
const memx = new MemX({ baseUrl: "${origin}", agent: "planner" });

await memx.set("agent:goal", { x: 1 });
for await (const { key, value, by } of memx.watch("agent:*", { snapshot: true })) {
  console.log(key, value, by);
}`,
      },
    ],
  },
  {
    title: "Python",
    text: "The client memx-sdk for Python, for threads and for asyncio.",
    blocks: (origin) => [
      {
        label: "Write, read and watch",
        code: `import os
from memx_sdk import MemX

with MemX(os.environ["MEMX_API_KEY"], base_url="${origin}", agent="planner") as memx:
    memx.set("agent:goal", {"x": 1})
    with memx.watch("agent:*", snapshot=True) as changes:
        for event in changes:
            print(event.key, event.value, event.by)`,
      },
    ],
  },
  {
    title: "MCP",
    text: "Hosts that speak the Model Context Protocol get memX as tools, without any code.",
    blocks: (origin) => [
      {
        label: "Claude Code",
        code: `claude mcp add --transport http memx ${origin}/mcp --header "x-api-key: $MEMX_API_KEY"`,
      },
      {
        label: "Cursor, in .cursor/mcp.json",
        code: `{ "mcpServers": { "memx": {
  "url": "${origin}/mcp",
  "headers": { "x-api-key": "\${env:MEMX_API_KEY}" } } } }`,
      },
      {
        label: "VS Code, in .vscode/mcp.json",
        code: `{
  "inputs": [{ "type": "promptString", "id": "memx-key", "description": "memX API key", "password": true }],
  "servers": { "memx": {
    "type": "http",
    "url": "${origin}/mcp",
    "headers": { "x-api-key": "\${input:memx-key}" } } }
}`,
      },
      {
        label: "Codex",
        code: `codex mcp add memx --url ${origin}/mcp --bearer-token-env-var MEMX_API_KEY`,
      },
    ],
  },
];
