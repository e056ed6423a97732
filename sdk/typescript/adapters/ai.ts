// The tools of memX for the AI SDK: those that memX's MCP server has, in process, over the client.

import { jsonSchema, type Tool } from "ai";
import type { MemX } from "../memx.ts";
import { callTool, INSTRUCTIONS, type ToolOptions, toolsFor } from "./memx-tools.ts";

/** What an agent should know before it uses the tools: a part of its instructions. */
export const MEMX_INSTRUCTIONS: string = INSTRUCTIONS;

export type MemxToolsOptions = ToolOptions;

/**
 * Returns the tools `memx_get`, `memx_set`, `memx_wait`, … for `generateText`, `streamText`, or an agent.
 *
 * @example
 * const { text } = await generateText({
 *   model,
 *   instructions: MEMX_INSTRUCTIONS,
 *   tools: memxTools(new MemX({ agent: "researcher" }), { prefix: "team:" }),
 *   stopWhen: isStepCount(20),
 *   prompt: "Find an open task, claim it, and do it.",
 * });
 */
export function memxTools(memx: MemX, options: MemxToolsOptions = {}): Record<string, Tool<object, object>> {
  const tools = toolsFor(options).map(({ name, title, description, inputSchema }) => {
    const tool: Tool<object, object> = {
      title,
      description,
      inputSchema: jsonSchema<object>(inputSchema as Parameters<typeof jsonSchema>[0]),
      execute: (input, { abortSignal }) => callTool(memx, name, input, { ...options, signal: abortSignal }),
    };
    return [name, tool] as const;
  });
  return Object.fromEntries(tools);
}
