// The kinds of subscriptions that the bench measures, each with the request that sends a message to all its
// subscribers.

import { httpRequest } from "./connection.ts";
import { base64 } from "./contestants/etcd.ts";
import { API_KEYS } from "./contestants/memx.ts";
import type { ContestantName, Headers } from "./operations.ts";
import type { Open } from "./subscribers.ts";

export type Feed = {
  readonly name: string;
  readonly contestant: ContestantName;
  /** `topic` is new for each measurement, so that no measurement meets sockets of an earlier one. */
  readonly subscribe: (topic: string) => Omit<Open, "port" | "count">;
  readonly send: (topic: string, message: number, headers: Headers) => Buffer;
};

const SWITCHED = "101 Switching Protocols\r\n";

export const handshake = (path: string, headers: Headers) =>
  httpRequest("GET", path, {
    ...headers,
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
  }).toString();

const memx = (contestant: ContestantName, name: string, path: (topic: string) => string): Feed => ({
  name,
  contestant,
  subscribe: (topic) => ({
    requests: API_KEYS.map((key) => handshake(path(topic), { "x-api-key": key })),
    opened: SWITCHED,
    pattern: '"value":\\{"message":(\\d+)\\}',
    base64: false,
    webSocket: true,
  }),
  send: (topic, message, headers) => httpRequest("POST", "/set", headers, { key: topic, value: { message } }),
});

const key = (topic: string) => `/subscribe/${topic}`;
const watch = (topic: string) => `/watch?pattern=${topic}*`;

export const FEEDS: readonly Feed[] = [
  memx("memX embedded", "subscribe", key),
  {
    name: "broadcast",
    contestant: "floor",
    subscribe: (topic) => ({
      requests: [handshake(`/subscribe?name=${topic}`, {})],
      opened: SWITCHED,
      pattern: '"value":\\{"message":(\\d+)\\}',
      base64: false,
      webSocket: true,
    }),
    send: (topic, message, headers) =>
      httpRequest("POST", `/broadcast?name=${topic}`, headers, { key: topic, value: { message } }),
  },
  memx("memX on Redis", "subscribe", key),
  memx("memX embedded", "watch", watch),
  memx("memX on Redis", "watch", watch),
  {
    name: "watch",
    contestant: "etcd",
    subscribe: (topic) => ({
      requests: [httpRequest("POST", "/v3/watch", {}, { create_request: { key: base64(topic) } }).toString()],
      opened: '"created":true',
      pattern: '"value":"([A-Za-z0-9+/=]+)"',
      base64: true,
      webSocket: false,
    }),
    send: (topic, message, headers) =>
      httpRequest("POST", "/v3/kv/put", headers, { key: base64(topic), value: base64(String(message)) }),
  },
];
