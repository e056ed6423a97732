// Prompts: how an agent works with others in memX, for a person to give to it.

import type { GetPromptResult, Prompt } from "@modelcontextprotocol/server";
import { PROMPTS } from "../../sdk/tools.ts";
import { INVALID_PARAMS, RpcError } from "./rpc-error.ts";

export function listPrompts(): Prompt[] {
  return PROMPTS.map(({ text: _, arguments: args, ...prompt }) => ({ ...prompt, arguments: [...args] }));
}

/** What each argument adds to the text. */
const SENTENCES: Readonly<Record<string, (argument: string) => string>> = {
  role: (role) => ` Your role: ${role}.`,
  prefix: (prefix) => ` The team's keys start with ${JSON.stringify(prefix)}.`,
};

/** @throws {RpcError} if there is no such prompt, or it does not take these arguments */
export function getPrompt(name: string, args: Readonly<Record<string, string>> = {}): GetPromptResult {
  const prompt = PROMPTS.find((prompt) => prompt.name === name);
  if (!prompt) throw new RpcError(INVALID_PARAMS, "There is no prompt of this name.");
  const names = prompt.arguments.map(({ name }) => name);
  if (Object.keys(args).some((name) => !names.includes(name))) {
    const detail = `Unknown argument. This prompt takes only ${names.join(", ")}.`;
    throw new RpcError(INVALID_PARAMS, detail);
  }
  const text = prompt.text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const argument = Object.hasOwn(args, name) ? args[name] : undefined;
    return argument ? (SENTENCES[name]?.(argument) ?? "") : "";
  });
  return { description: prompt.description, messages: [{ role: "user", content: { type: "text", text } }] };
}
