// A client of GET /connect for tests: what goes over the socket as it is, and the answer to each id.

import { expect } from "vitest";
import { splitFrame } from "../../sdk/protocol.ts";
import { connect, type Fetch } from "./subscriber.ts";

export type SocketAnswer = {
  readonly id: number;
  readonly status: number;
  readonly retry?: number;
  readonly revision?: number;
  readonly body: unknown;
};

export async function connectCalls({
  fetch,
  headers = {},
  apiKey = "local_dev_key",
}: {
  fetch?: Fetch;
  headers?: Record<string, string>;
  apiKey?: string;
} = {}) {
  const all = { "x-api-key": apiKey, "sec-websocket-protocol": "memx.calls.v1", ...headers };
  const { socket, texts, closed, subprotocol } = await connect("/connect", all, fetch);
  let nextId = 1;
  const lines = () => texts.filter((text) => text !== "pong").flatMap((text) => splitFrame(text));
  const byId = new Map<number, string>();
  let read = 0;
  const find = (id: number) => {
    for (; read < texts.length; read++) {
      for (const text of splitFrame(texts[read] ?? "")) {
        const answered = /^\{"id":(\d+),/.exec(text)?.[1];
        if (answered !== undefined) byId.set(Number(answered), text);
      }
    }
    return byId.get(id);
  };
  /** The line that answers a call, as it came. */
  const line = async (id: number): Promise<string> => {
    await expect.poll(() => find(id), { interval: 5 }).toBeDefined();
    return find(id) as string;
  };
  const answer = async (id: number): Promise<SocketAnswer> => JSON.parse(await line(id));
  return {
    socket,
    texts,
    closed,
    subprotocol,
    lines,
    line,
    answer,
    /** Sends calls in one frame, and returns their answers in the same order. */
    async calls(...calls: readonly [name: string, body?: object, more?: object][]): Promise<SocketAnswer[]> {
      const ids = calls.map(() => nextId++);
      socket.send(
        calls.map(([call, body, more], index) => JSON.stringify({ id: ids[index], call, body, ...more })).join("\n"),
      );
      const answers: SocketAnswer[] = [];
      for (const id of ids) answers.push(await answer(id));
      return answers;
    },
  };
}
