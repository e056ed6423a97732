// The requests of sdk/samples.json: the client sends them, as the clients in every language do, and memX takes them.

import { expect, it } from "vitest";
import samples from "../../sdk/samples.json";
import { MemX } from "../../sdk/typescript/index.ts";
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

it.each(requests)("the client sends $method $target $body", async ({ call, args, options = {}, ...expected }) => {
  const sent: { method: unknown; target: string; body?: unknown }[] = [];
  const fetch = async (url: string, { method, body }: RequestInit) => {
    sent.push({ method, target: url.replace("http://memx", ""), ...(body != null && { body }) });
    return Response.json({ code: "invalid_request", detail: "Enough." }, { status: 422 });
  };
  const memx = new MemX({ apiKey: "k", baseUrl: "http://memx", fetch });
  const name = camelCase(call);
  const named = Object.fromEntries(Object.entries(options).map(([option, value]) => [camelCase(option), value]));
  // The prefix of `keys` is an option here.
  const all = call === "keys" ? [{ prefix: args[0], ...named }] : [...args, named];
  const result = (memx as unknown as Record<string, (...all: unknown[]) => unknown>)[name]?.(...all);
  const first =
    result && typeof result === "object" && "next" in result ? (result as AsyncIterator<unknown>).next() : result;
  await expect(first).rejects.toMatchObject({ code: "invalid_request" });
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

function camelCase(name: string): string {
  return name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}
