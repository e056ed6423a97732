// The MCP server of one request: which methods it has, and what it says about itself.

import type { Server, Tool } from "@modelcontextprotocol/server";
import { canOverlap } from "../../memory/access/glob-overlap.ts";
import type { Caller } from "../../memory/access/principal.ts";
import { reportError } from "../../memory/report-error.ts";
import { version } from "../../package.json";
import { ERROR_STATUS } from "../../sdk/protocol.ts";
import { INSTRUCTIONS, isReadOnly, TOOLS } from "../../sdk/tools.ts";
import { type AppContext, committer } from "../app-env.ts";
import { callTool } from "./call-tool.ts";
import { getPrompt, listPrompts } from "./prompts.ts";
import { listResources, RESOURCE_TEMPLATES, readResource } from "./resources.ts";
import { INTERNAL_ERROR, INVALID_PARAMS, RpcError } from "./rpc-error.ts";
import type { ToolArguments } from "./tool.ts";

const ALL_TOOLS = TOOLS as readonly object[] as Tool[];
const READING_TOOLS = TOOLS.filter(isReadOnly) as readonly object[] as Tool[];

/** @param args of a tool call, from the body itself: the SDK has only what JavaScript makes of numbers */
export function createMcpServer(sdk: typeof import("./mcp-sdk.ts"), c: AppContext, args: ToolArguments): Server {
  const { env } = c;
  const { caller } = c.var;
  const server = new sdk.Server(
    { name: "memx", title: "memX", version },
    { capabilities: { tools: {}, resources: {}, prompts: {} }, instructions: INSTRUCTIONS },
  );

  /** The SDK would send the message of any other error to the client. */
  const orProtocolError = async <T>(work: () => T | Promise<T>, data: object = {}): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      const rpcError = error instanceof RpcError ? error : toRpcError(error);
      throw new sdk.ProtocolError(rpcError.code, rpcError.message, { ...data, ...rpcError.data });
    }
  };

  server.setRequestHandler("tools/list", () => ({ tools: mayWrite(caller) ? ALL_TOOLS : READING_TOOLS }));
  server.setRequestHandler("tools/call", ({ params: { name } }, { mcpReq: { signal } }) =>
    orProtocolError(() => callTool(name, args, () => ({ ...committer(c), signal }))),
  );
  server.setRequestHandler("resources/list", ({ params }) =>
    orProtocolError(() => listResources(env, caller, params?.cursor)),
  );
  server.setRequestHandler("resources/templates/list", () => ({ resourceTemplates: RESOURCE_TEMPLATES }));
  server.setRequestHandler("resources/read", ({ params: { uri } }) =>
    orProtocolError(() => readResource(env, caller, uri), { uri }),
  );
  server.setRequestHandler("prompts/list", () => ({ prompts: listPrompts() }));
  server.setRequestHandler("prompts/get", ({ params }) =>
    orProtocolError(() => getPrompt(params.name, params.arguments)),
  );
  return server;
}

/** Whether there is any key that the caller may write. */
function mayWrite({ namespace, write }: Caller): boolean {
  return canOverlap(namespace, ["*"], write);
}

function toRpcError(error: unknown): RpcError {
  const { code, message } = reportError(error);
  return new RpcError(ERROR_STATUS[code][0] >= 500 ? INTERNAL_ERROR : INVALID_PARAMS, message, { code });
}
