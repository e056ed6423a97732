// An agent with a namespace of its own, so that no other test advances its revisions or fills its log.

import {
  createExecutionContext,
  evictDurableObject,
  runInDurableObject,
  waitOnExecutionContext,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect } from "vitest";
import type { Channel } from "../../durable-objects/channel/channel.ts";
import { channelName } from "../../memory/channels/topic.ts";
import { openStore } from "../../memory/store/open-store.ts";
import { ALL_KEYS, type AppliedChange, type Operation } from "../../memory/store/store.ts";
import { app } from "../../worker/app.ts";
import type { Written } from "./client.ts";
import { grant } from "./grant.ts";
import { connectEventStream, connectMemx, type Fetch } from "./subscriber.ts";

/** The part of the binding that the Worker uses. */
export type Channels = { getByName(name: string): Partial<Record<keyof Channel, unknown>> };

type AgentOptions = {
  readonly namespace?: string;
  /** Globs over namespaced keys. */
  readonly read?: readonly string[];
  /** Replaces the channels that the Worker calls. */
  readonly channels?: Channels;
  readonly apiKey?: string;
};

export type Agent = ReturnType<typeof createAgent>;

export function createAgent({
  namespace = crypto.randomUUID().slice(0, 8),
  read = ["*"],
  channels,
  apiKey = `agent:${namespace}`,
}: AgentOptions = {}) {
  grant({ [apiKey]: { read, write: ["*"], user_id: namespace } });
  const contexts: ExecutionContext[] = [];
  const send = async (path: string, init: RequestInit = {}, withKey = true) => {
    const headers = new Headers(init.headers);
    if (withKey) headers.set("x-api-key", apiKey);
    const context = createExecutionContext();
    contexts.push(context);
    const bindings = { ...env, ...(channels && { CHANNEL: channels }) };
    return app.fetch(new Request(`http://memx${path}`, { ...init, headers }), bindings, context);
  };
  const fetch: Fetch = (path, init) => send(path, init);
  const post = async <T>(path: string, body: string): Promise<T> => {
    const response = await send(path, { method: "POST", headers: { "content-type": "application/json" }, body });
    const text = await response.text();
    expect(response.status, text).toBe(200);
    return JSON.parse(text);
  };
  const setText = (key: string, value: string) =>
    post<Written>("/set", `{"key":${JSON.stringify(key)},"value":${value}}`);
  const channel = (key: string) => env.CHANNEL.getByName(channelName({ namespace, key }));
  return {
    namespace,
    fetch,
    send,
    /** Sends no API key except one in `init`. */
    fetchWithoutKey: ((path, init) => send(path, init, false)) satisfies Fetch as Fetch,
    /** Connects a `memx.v1` client. */
    connect: (path: string, { plain = false } = {}) => connectMemx(path, { fetch, plain }),
    connectEventStream: (path: string, headers: HeadersInit = {}) => connectEventStream(path, { fetch, headers }),
    setText,
    set: (key: string, value: unknown) => setText(key, JSON.stringify(value)),
    setSchema: (key: string, schema: unknown) => post<{ revision: number }>("/schema", JSON.stringify({ key, schema })),
    /** Applies operations to the store and announces them to no channel, as if the Worker had died. */
    async writeUnannounced(...operations: Operation[]): Promise<(AppliedChange | null)[]> {
      const outcome = await openStore(env).write(namespace, operations);
      if (outcome.outcome !== "applied") throw new Error("not applied");
      return outcome.results.map((result) => (result.change ? result : null));
    },
    /** The channel of a key; without a key, the channel of the namespace. */
    channel: (key: string = ALL_KEYS) => channel(key),
    /** Clears the memory of that channel. */
    hibernate: (key: string = ALL_KEYS) => evictDurableObject(channel(key)),
    /** Closes all connections of that channel from its side. */
    closeSockets: (key: string = ALL_KEYS) =>
      runInDurableObject(channel(key), (_, ctx) => {
        for (const socket of ctx.getWebSockets()) socket.close(1012, "restart");
      }),
    /** Returns the number of open connections of that channel. */
    sockets: (key: string = ALL_KEYS) =>
      runInDurableObject(
        channel(key),
        (_, ctx) => ctx.getWebSockets().filter(({ readyState }) => readyState === 1).length,
      ),
    /** Resolves when every announcement has reached its channels or has failed. */
    async settled(): Promise<void> {
      for (const context of contexts.splice(0)) await waitOnExecutionContext(context);
    },
  };
}

/** Returns `count` sets of one key, with values that count up from `start`. */
export function setOperations(key: string, count: number, start = 0): Operation[] {
  return Array.from({ length: count }, (_, n) => ({ op: "set", key, value: String(start + n), schemaRevision: 0 }));
}

export const setOperation = (key: string, value: unknown): Operation => ({
  op: "set",
  key,
  value: JSON.stringify(value),
  schemaRevision: 0,
});

/** Returns the real channels, and the names of those that received an announcement. */
export function countingChannels() {
  const calls: string[] = [];
  const channels: Channels = {
    getByName(name) {
      const channel = env.CHANNEL.getByName(name);
      return {
        fetch: (...args: Parameters<typeof channel.fetch>) => channel.fetch(...args),
        publish(...args: Parameters<Channel["publish"]>) {
          calls.push(name);
          return channel.publish(...args);
        },
      };
    },
  };
  return { channels, calls };
}
