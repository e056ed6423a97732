// The list of tools: who sees which, and that arguments and results keep to their schemas.

import { describe, expect, it } from "vitest";
import { checkSchema } from "../../memory/schemas/check-schema.ts";
import { compileSchema } from "../../memory/schemas/compile-schema.ts";
import { isReadOnly, TOOLS, type ToolDefinition } from "../../sdk/tools.ts";
import { freshKey, set, setSchema } from "../support/client.ts";
import { grant } from "../support/grant.ts";
import { ERAS, failTool, result, rpc, useTool } from "../support/mcp.ts";

const WRITING = [
  "memx_set",
  "memx_merge",
  "memx_append",
  "memx_increment",
  "memx_delete",
  "memx_claim",
  "memx_release",
];
const READING = ["memx_get", "memx_list", "memx_history", "memx_schema", "memx_wait"];

/** Arguments that each tool accepts, for a key. */
const SAMPLES: Readonly<Record<string, (key: string) => object>> = {
  memx_get: (key) => ({ key, path: "", offset: 0 }),
  memx_list: (key) => ({ prefix: key, limit: 1, values: true }),
  memx_history: (key) => ({ key, limit: 1, before: 9_007_199_254_740_991 }),
  memx_schema: (key) => ({ key }),
  memx_wait: (key) => ({ patterns: [key], since: 0, seconds: 1 }),
  memx_set: (key) => ({ key, value: { a: 1 }, ttl: 60 }),
  memx_merge: (key) => ({ key, changes: { b: 1 }, ttl: 60 }),
  memx_append: (key) => ({ key, items: [1], path: "/list", limit: 3 }),
  memx_increment: (key) => ({ key, by: 1, path: "/n" }),
  memx_delete: (key) => ({ key }),
  memx_claim: (key) => ({ key, holder: "me", seconds: 60 }),
  memx_release: (key) => ({ key, token: 1 }),
};

const listed = async (options: Parameters<typeof result>[2] = {}) =>
  (await result("tools/list", {}, options)).tools as ToolDefinition[];

describe("the list of tools", () => {
  it.each(ERAS)("is the file that adapters read, to the letter (%s)", async (era) => {
    expect(await listed({ era })).toEqual(TOOLS);
    expect(TOOLS.map(({ name }) => name)).toEqual([...READING, ...WRITING]);
  });

  it.each(ERAS)("has only tools that read for an API key that may write nothing (%s)", async (era) => {
    const apiKey = freshKey();
    grant({ [apiKey]: { read: ["*"], write: [], user_id: "reader" } });
    expect((await listed({ apiKey, era })).map(({ name }) => name)).toEqual(READING);
  });

  it("says of each tool what it does to the world", () => {
    expect(TOOLS.filter(isReadOnly).map(({ name }) => name)).toEqual(READING);
    for (const { name, annotations, title, description } of TOOLS) {
      expect(annotations.openWorldHint, name).toBe(false);
      expect(title).toMatch(/^[A-Z]/);
      expect(description).toMatch(/^[A-Z].*\.$/);
    }
  });

  it("has schemas that JSON Schema allows, that take no other arguments, and that models are known to fill in", () => {
    for (const { name, inputSchema, outputSchema } of TOOLS) {
      expect(checkSchema(inputSchema as never), name).toEqual([]);
      expect(checkSchema(outputSchema as never), name).toEqual([]);
      expect(inputSchema).toMatchObject({ type: "object", additionalProperties: false });
      // Some hosts turn the argument of a property without a type into a string.
      for (const [property, schema] of Object.entries(inputSchema.properties)) {
        expect(schema, `${name} ${property}`).toHaveProperty("type");
      }
      expect(JSON.stringify(inputSchema)).not.toMatch(/"(anyOf|oneOf|allOf|\$ref)"/);
    }
  });
});

describe.each(TOOLS.map((tool) => [tool.name, tool] as const))("%s", (name, { inputSchema, outputSchema }) => {
  const sample = SAMPLES[name] as (key: string) => object;
  const prepare = async () => {
    const key = freshKey();
    if (name === "memx_schema") await setSchema(key, { type: "object" });
    else if (name !== "memx_claim" && name !== "memx_release") await set(key, { a: 1 });
    return key;
  };

  it.each(ERAS)("returns what its output schema says (%s)", async (era) => {
    const structured = await useTool(name, sample(await prepare()), { era });
    expect(compileSchema(outputSchema as never)(structured)).toEqual([]);
    // Nothing that the schema does not mention.
    expect(Object.keys(outputSchema.properties)).toEqual(expect.arrayContaining(Object.keys(structured)));
  });

  it("refuses an argument that it does not know, and names those that it knows", async () => {
    const text = await failTool(name, { ...sample(await prepare()), extra: 1 });
    expect(text).toMatch(/^invalid_request: The input is not valid\. \/extra: Unknown field\. This call takes only /);
    for (const property of Object.keys(inputSchema.properties)) expect(text).toContain(property);
  });

  it("refuses to run without an argument that it needs", async () => {
    for (const missing of inputSchema.required ?? []) {
      const { [missing]: _, ...args } = sample(await prepare()) as Record<string, unknown>;
      expect(await failTool(name, args)).toContain(`"${missing}"`);
    }
    if ((inputSchema.required ?? []).length > 0) expect(await failTool(name, "{}")).toMatch(/^invalid_request: /);
  });

  it("refuses arguments of another type or out of range, and says where", async () => {
    const key = await prepare();
    for (const [property, schema] of Object.entries(inputSchema.properties)) {
      const { type, minimum, maximum } = schema as { type: unknown; minimum?: number; maximum?: number };
      const wrong = [
        ...(Array.isArray(type) ? [] : [[null], {}, "x", true, 1.5].filter((value) => typeof value !== type)),
        ...(minimum === undefined ? [] : [minimum - 1]),
        ...(maximum === undefined ? [] : [maximum + 1]),
      ].filter((value) => !(type === "object" && !Array.isArray(value) && typeof value === "object"));
      for (const value of wrong) {
        if (type === "array" && Array.isArray(value)) continue;
        const text = await failTool(name, { ...sample(key), [property]: value });
        expect(text, JSON.stringify(value)).toContain(`/${property}: `);
      }
    }
  });

  it("refuses keys that are no keys", async () => {
    if (!("key" in inputSchema.properties)) return;
    for (const key of ["", "a\nb", "x".repeat(513), "ä".repeat(257)]) {
      expect(await failTool(name, { ...sample("a"), key }), key.slice(0, 9)).toContain("/key: ");
    }
  });
});

it("a tool that does not exist is an error of the protocol", async () => {
  for (const name of ["nothing", "memx_", "__proto__", "constructor"]) {
    const { message } = await rpc("tools/call", { name, arguments: {} });
    expect(message.error).toMatchObject({ code: -32602, message: "There is no tool of this name." });
  }
});
