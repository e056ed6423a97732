// The ways to receive changes: each opens one connection, hands on what comes over it, and tells when it ended.

import type { SUBPROTOCOL } from "../../sdk/protocol.ts";
import type { Received } from "./truth.ts";
import type { World } from "./world.ts";

export type Subscription = {
  /** With its query, but without `since`. */
  readonly path: string;
  readonly since: number | undefined;
};

export type Handlers = {
  readonly onOpen: () => void;
  readonly onMessage: (message: Received, id?: number) => void;
  /** However it ended, once. */
  readonly onEnd: () => void;
};

/** Resolves to what ends the connection, or to nothing where none came about. */
export type Open = (world: World, subscription: Subscription, handlers: Handlers) => Promise<(() => void) | undefined>;

function withSince({ path, since }: Subscription): string {
  return since === undefined ? path : `${path}&since=${since}`;
}

export const openWebSocket = (protocol?: typeof SUBPROTOCOL): Open => {
  return async (world, subscription, { onOpen, onMessage, onEnd }) => {
    const headers = { upgrade: "websocket", ...(protocol && { "sec-websocket-protocol": protocol }) };
    const response = await world.fetch(withSince(subscription), { headers });
    const socket = response.webSocket;
    if (!socket) return refused(response);
    onOpen();
    socket.addEventListener("message", ({ data }) => onMessage(JSON.parse(data as string)));
    socket.addEventListener("close", onEnd);
    socket.addEventListener("error", onEnd);
    socket.accept();
    return () => {
      onEnd();
      socket.close(1000);
    };
  };
};

/** As a browser's EventSource: the URL stays what it was, and `Last-Event-ID` says where to go on. */
export const openEventStream: Open = async (world, { path, since }, { onOpen, onMessage, onEnd }) => {
  const headers = { accept: "text/event-stream", ...(since && { "last-event-id": String(since) }) };
  const response = await world.fetch(since === 0 ? `${path}&since=0` : path, { headers });
  if (!response.ok) return refused(response);
  onOpen();
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  let isOpen = true;
  const read = async () => {
    try {
      for (let text = ""; ; ) {
        const { done, value } = await reader.read();
        if (done || !isOpen) return;
        const events = (text + value).split("\n\n");
        text = events.pop() as string;
        for (const event of events) {
          const data = [...event.matchAll(/^data: (.*)$/gm)].map(([, line]) => line).join("\n");
          const id = /^id: (.*)$/m.exec(event)?.[1];
          if (data !== "") onMessage(JSON.parse(data), id === undefined ? undefined : Number(id));
        }
      }
    } catch {
      // It broke.
    } finally {
      onEnd();
    }
  };
  void read();
  return () => {
    isOpen = false;
    onEnd();
    reader.cancel().catch(() => {});
  };
};

/** One request. What it answers is put as if a socket had sent it. */
export const openLongPoll: Open = async (world, subscription, { onOpen, onMessage, onEnd }) => {
  const response = await world.fetch(`${withSince(subscription)}&wait=0`);
  if (!response.ok) return refused(response);
  onOpen();
  const text = await response.text().catch(() => "");
  try {
    const { changes, revision, reset } = JSON.parse(text);
    if (reset) onMessage({ event: "reset" });
    for (const change of changes) onMessage(change);
    // A poll that broke off sends its client back to where it was.
    if (revision !== subscription.since) onMessage({ event: "ready", revision });
  } catch {
    // It broke off in the middle, and a client can not read half an answer.
  }
  onEnd();
  return () => {};
};

/** The store does not answer while it is evicted; anything else is a fault. */
async function refused(response: Response): Promise<undefined> {
  const text = await response.text();
  if (response.status !== 503) throw new Error(`a subscriber was answered ${response.status} ${text}`);
  return undefined;
}
