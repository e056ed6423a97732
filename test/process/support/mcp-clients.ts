// The official MCP clients, as agents have them: version 1, version 2, and version 2 that negotiates the newest revision.

import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterEach, expect } from "vitest";

/** What both versions have in common. */
export type McpClient = Pick<
  ClientV2,
  | "callTool"
  | "listTools"
  | "listResources"
  | "listResourceTemplates"
  | "readResource"
  | "listPrompts"
  | "getPrompt"
  | "getServerVersion"
  | "getInstructions"
  | "close"
>;

const info = { name: "test", version: "1.0.0" };

const CONNECT = {
  "1": async (url: URL, requestInit: RequestInit) => {
    const client = new ClientV1(info);
    await client.connect(new TransportV1(url, { requestInit }) as never);
    return client as unknown as McpClient;
  },
  "2": async (url: URL, requestInit: RequestInit) => {
    const client = new ClientV2(info);
    await client.connect(new TransportV2(url, { requestInit }));
    return client;
  },
  "2, negotiating": async (url: URL, requestInit: RequestInit) => {
    const client = new ClientV2(info, { versionNegotiation: { mode: "auto" } });
    await client.connect(new TransportV2(url, { requestInit }));
    expect(client.getNegotiatedProtocolVersion()).toBe("2026-07-28");
    return client;
  },
} as const;

export type ClientVersion = keyof typeof CONNECT;
export const CLIENT_VERSIONS = Object.keys(CONNECT) as ClientVersion[];

const connected: McpClient[] = [];
afterEach(async () => {
  await Promise.all(connected.splice(0).map((client) => client.close()));
});

/** Connects to memX at `url`, and closes the client after the test. */
export async function connectMcp(
  url: string,
  version: ClientVersion = "2, negotiating",
  headers: Readonly<Record<string, string>> = { "x-api-key": "local_dev_key" },
): Promise<McpClient> {
  const client = await CONNECT[version](new URL("/mcp", url), { headers });
  connected.push(client);
  return client;
}

/** Calls a tool that has to succeed, and returns its structured content. */
// biome-ignore lint/suspicious/noExplicitAny: a test knows what it asks for
export async function use(client: McpClient, name: string, args: Record<string, unknown> = {}): Promise<any> {
  const { content, structuredContent, isError } = await client.callTool({ name, arguments: args });
  if (isError) throw new Error(`${name}: ${JSON.stringify(content)}`);
  return structuredContent;
}
