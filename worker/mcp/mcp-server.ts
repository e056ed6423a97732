// The MCP server of one request: which methods it has, and what it says about itself.

import { ProtocolError, ProtocolErrorCode, Server, type Tool } from "@modelcontextprotocol/server";
import { reportError } from "../../memory/report-error.ts";
import { version } from "../../package.json";
import { ERROR_STATUS } from "../../sdk/protocol.ts";
import { INSTRUCTIONS, isReadOnly, TOOLS } from "../../sdk/tools.ts";
import { type AppContext, committer } from "../app-env.ts";
import { callTool } from "./call-tool.ts";
import { getPrompt, listPrompts } from "./prompts.ts";
import { listResources, RESOURCE_TEMPLATES, readResource } from "./resources.ts";
import type { ToolArguments } from "./tool.ts";

const ALL_TOOLS = TOOLS as readonly object[] as Tool[];
const READING_TOOLS = TOOLS.filter(isReadOnly) as readonly object[] as Tool[];

/** @param args of a tool call, from the body itself: the SDK has only what JavaScript makes of numbers */
export function createMcpServer(c: AppContext, args: ToolArguments): Server {
  const { env } = c;
  const { caller } = c.var;
  const server = new Server(
    { name: "memx", title: "memX", version },
    { capabilities: { tools: {}, resources: {}, prompts: {} }, instructions: INSTRUCTIONS },
  );
  server.setRequestHandler("tools/list", () => ({ tools: caller.write.length > 0 ? ALL_TOOLS : READING_TOOLS }));
  server.setRequestHandler("tools/call", ({ params }, { mcpReq: { signal } }) =>
    callTool(params.name, args, { ...committer(c), signal }),
  );
  server.setRequestHandler("resources/list", ({ params }) =>
    withProtocolErrors(() => listResources(env, caller, params?.cursor)),
  );
  server.setRequestHandler("resources/templates/list", () => ({ resourceTemplates: RESOURCE_TEMPLATES }));
  server.setRequestHandler("resources/read", ({ params: { uri } }) =>
    withProtocolErrors(() => readResource(env, caller, uri), { uri }),
  );
  server.setRequestHandler("prompts/list", () => ({ prompts: listPrompts() }));
  server.setRequestHandler("prompts/get", ({ params }) => getPrompt(params.name, params.arguments));
  return server;
}

/** Failures of methods that are no tools. The SDK would send the message of any other error to the client. */
async function withProtocolErrors<T>(read: () => Promise<T>, data: object = {}): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
    const { code, message } = reportError(error);
    const isOurs = ERROR_STATUS[code][0] >= 500;
    const rpcCode = isOurs ? ProtocolErrorCode.InternalError : ProtocolErrorCode.InvalidParams;
    throw new ProtocolError(rpcCode, message, { ...data, code });
  }
}
