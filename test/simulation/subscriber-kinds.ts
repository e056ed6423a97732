// The ways to receive changes. Each opens one connection, passes its messages on, and reports its end.

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
  /** Called once, however the connection ended. */
  readonly onEnd: () => void;
};

/** Resolves to a function that ends the connection, or to nothing if none was opened. */
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

/** Like a browser's EventSource: the URL stays the same, and `Last-Event-ID` says where to resume. */
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
      // The connection broke.
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

/** One request. Its response is passed on as if a socket had sent it. */
export const openLongPoll: Open = async (world, subscription, { onOpen, onMessage, onEnd }) => {
  const response = await world.fetch(`${withSince(subscription)}&wait=0`);
  if (!response.ok) return refused(response);
  onOpen();
  const text = await response.text().catch(() => "");
  try {
    const { changes, revision, reset } = JSON.parse(text);
    if (reset) onMessage({ event: "reset" });
    for (const change of changes) onMessage(change);
    // A poll that was interrupted returns the revision that the client already has.
    if (revision !== subscription.since) onMessage({ event: "ready", revision });
  } catch {
    // The response broke off, and a client cannot read half of it.
  }
  onEnd();
  return () => {};
};

/** The store is unavailable while it is evicted. Any other refusal is a fault. */
async function refused(response: Response): Promise<undefined> {
  const text = await response.text();
  if (response.status !== 503) throw new Error(`a subscriber got ${response.status} ${text}`);
  return undefined;
}
