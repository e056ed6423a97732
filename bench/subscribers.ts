// Subscribers in their own process, so that they do not delay the sender. They report when a message has reached all of
// them, by the clock that all processes of the machine share. Each subscriber must receive each message exactly once.

import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** From the parent: opens subscribers. */
export type Open = {
  readonly port: number;
  readonly count: number;
  /** Handshake requests. Subscribers use them in turn. */
  readonly requests: readonly string[];
  /** Text in the response that confirms the subscription. */
  readonly opened: string;
  /** A regular expression that captures the number of a message, which may be in base64. */
  readonly pattern: string;
  readonly base64: boolean;
  readonly webSocket: boolean;
};

/** To the parent. Times are in milliseconds of `process.hrtime`. */
export type SubscriberEvent =
  | { readonly event: "open" }
  | { readonly event: "reached_all"; readonly message: number; readonly firstMs: number; readonly lastMs: number };

/** Concurrent handshakes. */
const AT_ONCE = 100;

/** A close frame with code 1000 and an empty mask. */
const CLOSE = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
const CLOSE_MS = 5_000;

const now = () => Number(process.hrtime.bigint()) / 1e6;
const report = (event: SubscriberEvent) => process.send?.(event);

process.once("message", async (open: Open) => {
  const reached = new Map<number, { count: number; firstMs: number }>();
  const sockets: Socket[] = [];
  let next = 0;
  let leaving = false;

  const onMessage = (message: number) => {
    const at = now();
    const progress = reached.get(message) ?? { count: 0, firstMs: at };
    reached.set(message, progress);
    if (++progress.count === open.count) {
      report({ event: "reached_all", message, firstMs: progress.firstMs, lastMs: at });
    }
    if (progress.count > open.count) fail(`a subscriber received message ${message} twice`);
  };

  const subscribe = () =>
    new Promise<void>((resolve) => {
      const number = next++;
      const socket = connect({ port: open.port, host: "127.0.0.1" });
      sockets.push(socket);
      socket.setEncoding("latin1");
      let received = "";
      let isOpen = false;
      const pattern = new RegExp(open.pattern, "g");
      socket.on("error", (error) => leaving || fail(error.message));
      socket.on("close", () => leaving || fail(`a subscriber was closed: ${received}`));
      socket.on("connect", () => socket.write(open.requests[number % open.requests.length] ?? ""));
      socket.on("data", (chunk: string) => {
        received += chunk;
        if (!isOpen) {
          const at = received.indexOf(open.opened);
          if (at === -1) return;
          isOpen = true;
          received = received.slice(at + open.opened.length);
          resolve();
        }
        let end = 0;
        for (const match of received.matchAll(pattern)) {
          end = match.index + match[0].length;
          const text = match[1] ?? "";
          onMessage(Number(open.base64 ? Buffer.from(text, "base64") : text));
        }
        // The rest may be the start of a message.
        received = received.slice(end);
      });
    });

  await Promise.all(
    Array.from({ length: Math.min(AT_ONCE, open.count) }, async () => {
      while (next < open.count) await subscribe();
    }),
  );
  report({ event: "open" });
  process.once("message", async () => {
    leaving = true;
    const closed = sockets.map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    // If a client disconnects without a close frame, workerd keeps the socket's files until its object hibernates.
    for (const socket of sockets) open.webSocket ? socket.write(CLOSE) : socket.destroy();
    await Promise.race([Promise.all(closed), sleep(CLOSE_MS)]);
    process.exit(0);
  });
});

// The parent has exited.
process.once("disconnect", () => process.exit(0));

function fail(reason: string): void {
  console.error(`subscribers: ${reason}`);
  process.exit(1);
}
