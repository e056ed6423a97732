// What every tool gets and returns.

import type { Committer } from "../../memory/writes/commit.ts";
import type { JsonText } from "../../sdk/protocol.ts";
import type { ToolOutput } from "./tool-result.ts";

/** Whom a tool works for. */
export type ToolContext = Committer & {
  /** Aborts when the agent no longer waits for the result. */
  readonly signal: AbortSignal;
};

/** The text of each argument, as the agent sent it. */
export type ArgumentTexts = ReadonlyMap<string, JsonText>;

/** The arguments of a tool call, not checked yet, and the text of each. */
export type ToolArguments = { readonly parsed: unknown; readonly texts: ArgumentTexts };

/**
 * Does what a tool says, with arguments that match its input schema.
 * @throws {ApiError}
 */
export type Tool<Arguments> = (context: ToolContext, args: Arguments, texts: ArgumentTexts) => Promise<ToolOutput>;
