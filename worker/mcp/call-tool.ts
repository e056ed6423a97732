// Runs a tool for an agent: checks the arguments, and turns what comes out into a result.

import type { CallToolResult } from "@modelcontextprotocol/server";
import { reportError } from "../../memory/report-error.ts";
import { beginWork } from "../../memory/work-share.ts";
import { isReadOnly, TOOLS } from "../../sdk/tools.ts";
import { claim, release } from "./claim-tools.ts";
import { get, history, list, schema } from "./read-tools.ts";
import { INVALID_PARAMS, RpcError } from "./rpc-error.ts";
import type { Tool, ToolArguments, ToolContext } from "./tool.ts";
import { checkInput } from "./tool-input.ts";
import { toolFailure, toolResult } from "./tool-result.ts";
import { wait } from "./wait-tool.ts";
import { append, increment, merge, remove, set } from "./write-tools.ts";

/** What each tool of sdk/tools.json does. Its arguments have passed the tool's own input schema. */
const RUN = new Map<string, Tool<never>>(
  Object.entries({
    memx_get: get,
    memx_list: list,
    memx_history: history,
    memx_schema: schema,
    memx_wait: wait,
    memx_set: set,
    memx_merge: merge,
    memx_append: append,
    memx_increment: increment,
    memx_delete: remove,
    memx_claim: claim,
    memx_release: release,
  }),
);

const WRITING = new Set(TOOLS.filter((tool) => !isReadOnly(tool)).map(({ name }) => name));

/** Steps of a call besides those of its tool: the protocol's own. */
const CALL_STEPS = 2_000;

/** @throws {RpcError} if there is no such tool */
export async function callTool(
  name: string,
  { parsed, texts }: ToolArguments,
  context: () => ToolContext,
): Promise<CallToolResult> {
  const run = RUN.get(name);
  if (!run) throw new RpcError(INVALID_PARAMS, "There is no tool of this name.");
  try {
    beginWork(CALL_STEPS);
    return toolResult(await run(context(), checkInput(name, parsed) as never, texts));
  } catch (error) {
    return toolFailure(reportError(error), WRITING.has(name));
  }
}
