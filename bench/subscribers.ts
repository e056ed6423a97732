// Subscribers, in a process of their own so that they do not hold up the clock of who sends. They tell when a message had
// reached all of them, by the clock that all processes of the machine share. Each message has to come to each, once.

import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** From the parent: open so many. */
export type Open = {
  readonly port: number;
  readonly count: number;
  /** Of the handshake; subscribers take turns. */
  readonly requests: readonly string[];
  /** What the answer to it says when it stands. */
  readonly opened: string;
  /** Finds the number of a message; `base64` where it is in that. */
  readonly pattern: string;
  readonly base64: boolean;
  readonly webSocket: boolean;
};

/** To the parent. Times are in milliseconds of `process.hrtime`. */
export type Told =
  | { readonly told: "open" }
  | { readonly told: "all"; readonly message: number; readonly firstMs: number; readonly lastMs: number };

/** Handshakes under way at one time. */
const AT_ONCE = 100;

/** A close frame with the code 1000, masked with nothing. */
const CLOSE = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
const CLOSE_MS = 5_000;

const now = () => Number(process.hrtime.bigint()) / 1e6;
const tell = (told: Told) => process.send?.(told);

process.once("message", async (open: Open) => {
  const reached = new Map<number, { count: number; firstMs: number }>();
  const sockets: Socket[] = [];
  let next = 0;
  let leaving = false;

  const onMessage = (message: number) => {
    const at = now();
    const so = reached.get(message) ?? { count: 0, firstMs: at };
    reached.set(message, so);
    if (++so.count === open.count) tell({ told: "all", message, firstMs: so.firstMs, lastMs: at });
    if (so.count > open.count) fail(`message ${message} came more often than once to each`);
  };

  const subscribe = () =>
    new Promise<void>((resolve) => {
      const number = next++;
      const socket = connect({ port: open.port, host: "127.0.0.1" });
      sockets.push(socket);
      socket.setEncoding("latin1");
      let received = "";
      let standing = false;
      const pattern = new RegExp(open.pattern, "g");
      socket.on("error", (error) => leaving || fail(error.message));
      socket.on("close", () => leaving || fail(`a subscriber was closed: ${received}`));
      socket.on("connect", () => socket.write(open.requests[number % open.requests.length] ?? ""));
      socket.on("data", (chunk: string) => {
        received += chunk;
        if (!standing) {
          const at = received.indexOf(open.opened);
          if (at === -1) return;
          standing = true;
          received = received.slice(at + open.opened.length);
          resolve();
        }
        let end = 0;
        for (const match of received.matchAll(pattern)) {
          end = match.index + match[0].length;
          const text = match[1] ?? "";
          onMessage(Number(open.base64 ? Buffer.from(text, "base64") : text));
        }
        // The rest may be the beginning of a message.
        received = received.slice(end);
      });
    });

  await Promise.all(
    Array.from({ length: Math.min(AT_ONCE, open.count) }, async () => {
      while (next < open.count) await subscribe();
    }),
  );
  tell({ told: "open" });
  process.once("message", async () => {
    leaving = true;
    const closed = sockets.map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    // workerd keeps the files of a socket whose client leaves without a word until its object sleeps.
    for (const socket of sockets) open.webSocket ? socket.write(CLOSE) : socket.destroy();
    await Promise.race([Promise.all(closed), sleep(CLOSE_MS)]);
    process.exit(0);
  });
});

// The parent is gone.
process.once("disconnect", () => process.exit(0));

function fail(reason: string): void {
  console.error(`subscribers: ${reason}`);
  process.exit(1);
}
