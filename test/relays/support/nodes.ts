// A channel with relays for the tests of this project, which keeps two subscribers at each node.

import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect } from "vitest";
import { nodeName, type Place } from "../../../memory/channels/topic.ts";
import type { Agent } from "../../support/agent.ts";

export const topics = [
  ["a key", (key: string) => [`/subscribe/${key}`, key] as const],
  ["a namespace", (key: string) => [`/watch?pattern=${key}`, ""] as const],
] as const;

export const HEAD: Place = { region: "enam", index: 0 };
export const leaf = (index: number): Place => ({ region: "enam", index });

export function nodesOf({ namespace }: Agent, key: string) {
  const node = (place?: Place) => env.CHANNEL.getByName(nodeName({ namespace, key }, place));
  return {
    node,
    sockets: (place?: Place) =>
      runInDurableObject(
        node(place),
        (_, ctx) => ctx.getWebSockets().filter(({ readyState }) => readyState === WebSocket.OPEN).length,
      ),
    /** The leaves that have registered. */
    leaves: async (): Promise<Place[]> => {
      const tokens = await runInDurableObject(node(HEAD), (_, { storage }) => storage.kv.get<object>("relays") ?? {});
      return Object.keys(tokens).map((name) => leaf(JSON.parse(name)[3]));
    },
    relays: (place?: Place) =>
      runInDurableObject(node(place), (_, { storage }) => Object.keys(storage.kv.get<object>("relays") ?? {}).length),
  };
}

type Client = Awaited<ReturnType<Agent["connect"]>>;

/** Subscribers on the channel, its head, and two leaves. With `first`, those are on the channel already. */
export async function fill(agent: Agent, path: string, topic: string, first: readonly Client[] = []) {
  const nodes = nodesOf(agent, topic);
  const clients = [...first];
  for (let n = first.length; n < 7; n++) {
    const client = await agent.connect(path, { plain: n % 3 === 2 });
    if (n % 3 !== 2) await client.takeUntilReady();
    clients.push(client);
  }
  expect(await nodes.sockets()).toBe(2);
  expect(await nodes.sockets(HEAD)).toBe(2);
  expect(await nodes.sockets(leaf(1))).toBeGreaterThan(0);
  const all = [undefined, HEAD, leaf(1), leaf(2)];
  return { ...nodes, clients, all };
}
