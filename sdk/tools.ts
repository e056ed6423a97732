// What agents are offered as tools, in MCP and in the adapters of every language: names, descriptions, and JSON Schemas. The
// definitions are plain JSON in tools.json, which a client in another language reads as it is.

import definitions from "./tools.json" with { type: "json" };

export type ToolDefinition = {
  readonly name: string;
  readonly title: string;
  /** Written for a model that chooses among tools. */
  readonly description: string;
  readonly inputSchema: ToolSchema;
  readonly outputSchema: ToolSchema;
  readonly annotations: {
    readonly readOnlyHint?: boolean;
    readonly destructiveHint?: boolean;
    readonly idempotentHint?: boolean;
    readonly openWorldHint: boolean;
  };
};

export type ToolSchema = {
  readonly type: "object";
  readonly properties: Readonly<Record<string, object>>;
  readonly required?: readonly string[];
};

export type PromptDefinition = {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly arguments: readonly { readonly name: string; readonly description: string; readonly required: boolean }[];
  /** With the name of each argument in braces. */
  readonly text: string;
};

/** What an agent should know before it uses any tool. */
export const INSTRUCTIONS: string = definitions.instructions;

export const TOOLS = definitions.tools as readonly ToolDefinition[];

export const PROMPTS: readonly PromptDefinition[] = definitions.prompts;

/** Whether a tool changes nothing, so that an API key without write scopes can use it. */
export function isReadOnly({ annotations }: ToolDefinition): boolean {
  return annotations.readOnlyHint === true;
}
