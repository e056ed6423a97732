// Random MCP messages from tenants that must not see each other's data, against the deployed bundle on workerd. A long run sends
// 20,000 of them to each engine; FUZZ_REQUESTS and FUZZ_SEED say how many, and which.

import { describe, expect, it } from "vitest";
import { compileSchema } from "../../memory/schemas/compile-schema.ts";
import { TOOLS } from "../../sdk/tools.ts";
import { type McpFuzzRequest, randomMcpRequest } from "../fuzz/mcp-requests.ts";
import { ALL_MARKS, LIST } from "../fuzz/tenants.ts";
import { amount } from "../support/long-runs.ts";
import { createRandom } from "../support/random.ts";
import { startBridgedRedis } from "./support/bridged-redis.ts";
import { startWorkerd } from "./support/workerd.ts";

const requests = Number(process.env.FUZZ_REQUESTS || amount(1_000, 20_000));
const seed = process.env.FUZZ_SEED || "1";
const CONCURRENCY = 16;

const OUTPUTS = new Map(TOOLS.map(({ name, outputSchema }) => [name, compileSchema(outputSchema as never)]));

describe.each([
  ["embedded", async () => ({})],
  ["redis", startBridgedRedis],
])("on %s", (_, settings) => {
  it(`handles ${requests} random messages of seed ${seed} without a fault or a leak`, {
    tags: ["long"],
    timeout: 120_000 + requests * 60,
  }, async () => {
    const { url, output } = await startWorkerd({
      bindings: { MEMX_ACL: JSON.stringify(LIST), ...(await settings()) },
    });
    const random = createRandom(seed);
    const seen: Record<string, number> = {};
    const faults: string[] = [];
    let sent = 0;
    const work = async () => {
      while (sent < requests && faults.length < 5) {
        const n = sent++;
        const request = randomMcpRequest(random, TOOLS);
        const { headers, body } = request;
        const response = await fetch(`${url}/mcp`, { method: "POST", headers, body: new Uint8Array(body) });
        const text = await response.text();
        const kind = kindOf(response, text);
        seen[kind] = (seen[kind] ?? 0) + 1;
        const fault = faultOf(request, response, text);
        if (fault) faults.push(`message ${n}: ${fault}\n  ${describeRequest(request)}\n  ${text.slice(0, 500)}`);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    expect(faults.join("\n")).toBe("");
    expect(output()).not.toMatch(/fuzz-key-of-|event: '/);
    // The messages also reached the code behind the checks.
    const kinds = ["result", "conflict", "invalid_request", "too_large", "forbidden", "401", "403", "404", "-32602"];
    expect(Object.keys(seen)).toEqual(expect.arrayContaining(kinds));
  });
});

type Answer = {
  readonly error?: { readonly code: number; readonly message: string };
  readonly result?: {
    readonly content?: readonly { readonly text: string }[];
    readonly isError?: boolean;
    readonly structuredContent?: unknown;
  };
};

function answerOf(response: Response, text: string): Answer | undefined {
  const [, data = text] = /^data: (\{.*)$/m.exec(text) ?? [];
  return response.headers.get("content-type") === "application/problem+json" || text === ""
    ? undefined
    : JSON.parse(data);
}

/** What a response is, for counting: a code of an error, or a result. */
function kindOf(response: Response, text: string): string {
  const { error, result } = answerOf(response, text) ?? {};
  if (result?.isError) return /^(\w+): /.exec(result.content?.[0]?.text ?? "")?.[1] ?? "an error without a code";
  if (result) return "result";
  return error && response.status === 200 ? String(error.code) : String(response.status);
}

/** Returns what is wrong with a response, if anything. */
function faultOf({ tenant, tool }: McpFuzzRequest, response: Response, text: string): string | undefined {
  const mark = ALL_MARKS.find((mark) => !tenant.sees.includes(mark) && text.includes(mark));
  if (mark) return `${tenant.name} saw ${mark}`;
  for (const apiKey of Object.keys(LIST)) if (text.includes(apiKey)) return "an API key is in the response";
  if (response.status >= 500) return `status ${response.status}`;
  if (!response.headers.get("x-request-id")) return "no request id";
  const kind = kindOf(response, text);
  const { result, error } = answerOf(response, text) ?? {};
  // The SDK says with this code that `params` of a method have another shape.
  const isShape = error?.code === -32603 && /^\[\s*\{.*"path": \[\s*"params"/s.test(error.message);
  if (/^(internal|store_unavailable|an error without a code|-32603)$/.test(kind) && !isShape) return kind;
  if (!result || !tool) return undefined;
  if (result.isError) return result.structuredContent === undefined ? undefined : "an error with structured content";
  const errors = OUTPUTS.get(tool)?.(result.structuredContent) ?? [];
  return errors.length === 0 ? undefined : `not as the output schema says: ${JSON.stringify(errors)}`;
}

function describeRequest({ tenant, headers, body }: McpFuzzRequest): string {
  return `${tenant.name} ${JSON.stringify(headers)} ${body.toString("latin1").slice(0, 600)}`;
}
