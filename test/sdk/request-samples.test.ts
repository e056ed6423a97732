// The requests and responses of sdk/samples.json. The client sends and reads them, as the clients in every language do, and memX
// accepts and returns them.

import { expect, it } from "vitest";
import samples from "../../sdk/samples.json";
import { MemX, type MemXOptions } from "../../sdk/typescript/index.ts";
import { request } from "../support/client.ts";

type Sample = {
  readonly call: string;
  readonly args: readonly unknown[];
  readonly options?: Readonly<Record<string, unknown>>;
  readonly method: string;
  readonly target: string;
  readonly body?: string;
};

const requests = samples.requests as readonly Sample[];

it.each(requests)("the client sends $method $target $body", async ({ call, args, options, ...expected }) => {
  const sent: { method: unknown; target: string; body?: unknown }[] = [];
  const fetch = async (url: string, { method, body }: RequestInit) => {
    sent.push({ method, target: url.replace("http://memx", ""), ...(body != null && { body }) });
    return Response.json({ code: "invalid_request", detail: "Enough." }, { status: 422 });
  };
  await expect(callClient({ call, args, options }, fetch)).rejects.toMatchObject({ code: "invalid_request" });
  expect(sent).toHaveLength(1);
  const [{ target = "", ...rest } = {}] = sent;
  // URLSearchParams writes a space as `+`, which means the same in a query.
  expect({ ...rest, target: target.replaceAll("+", "%20") }).toEqual(expected);
});

it.each(requests)("memX takes $method $target $body", async ({ method, target, body }) => {
  const response = await request(method, target, body === undefined ? {} : { body });
  // What it says of keys that other samples have written or not is not of interest here.
  const text = await response.text();
  expect([200, 404, 409], text).toContain(response.status);
  if (response.status === 404) expect(text).toContain("not_found");
});

const successes = samples.successes as readonly Success[];

it.each(successes)("the client reads $response", async ({ response, status = 200, result, ...sample }) => {
  const body = response ?? JSON.stringify({ code: "not_found", detail: "None." });
  const fetch = async () => new Response(body, { status, headers: { "content-type": "application/json" } });
  expect(await callClient(sample, fetch)).toEqual(result);
});

it.each(successes)("memX responds to $method $target $body", async ({ given, response, status = 200, ...sample }) => {
  for (const write of given) expect((await send(write)).status).toBe(200);
  const sent = await send(sample);
  expect(sent.status).toBe(status);
  if (response !== null) expect(withoutSpecifics(await sent.json())).toEqual(withoutSpecifics(JSON.parse(response)));
});

type Sent = Pick<Sample, "method" | "target" | "body">;

type Success = Sample & {
  /** What to send first, so that memX has what the response is about. */
  readonly given: readonly Sent[];
  readonly status?: number;
  /** `null` for an error that the client turns into a result. */
  readonly response: string | null;
  /** What the client returns. */
  readonly result: unknown;
};

function send({ method, target, body }: Sent): Promise<Response> {
  return request(method, target, body === undefined ? {} : { body });
}

/** What is another at each run: times, revisions except 0, and what this memX is. */
function withoutSpecifics(json: unknown): unknown {
  return JSON.parse(JSON.stringify(json), (name, value) => {
    if (["ts", "created", "revision", "previous"].includes(name)) return Math.sign(value);
    return ["engine", "store", "version", "limits"].includes(name) ? typeof value : value;
  });
}

/** Makes the call with the client. A listing returns its items. */
async function callClient(
  { call, args, options = {} }: Call,
  fetch: NonNullable<MemXOptions["fetch"]>,
): Promise<unknown> {
  const memx = new MemX({ apiKey: "k", baseUrl: "http://memx", fetch });
  const named = Object.fromEntries(Object.entries(options).map(([option, value]) => [camelCase(option), value]));
  // The prefix of `keys` is an option here.
  const all = call === "keys" ? [{ prefix: args[0], ...named }] : [...args, named];
  const result = (memx as unknown as Record<string, (...all: unknown[]) => unknown>)[camelCase(call)]?.(...all);
  if (!result || typeof result !== "object" || !(Symbol.asyncIterator in result)) return result;
  const items: unknown[] = [];
  for await (const item of result as AsyncIterable<unknown>) items.push(item);
  return items;
}

type Call = Pick<Sample, "call" | "args"> & { readonly options?: Sample["options"] | undefined };

function camelCase(name: string): string {
  return name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}
