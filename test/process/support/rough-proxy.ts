// A TCP proxy that treats each connection badly after a while, as networks do: from a seed, so that a run can be repeated.

import { createServer, connect as openSocket, type Socket } from "node:net";
import type { Random } from "../../support/random.ts";

/** What happens to a connection, and goes on until it ends. */
export const FAULTS = [
  "cut",
  "reset",
  "delay",
  "black-hole",
  "half-close client",
  "half-close server",
  "none",
] as const;
export type Fault = (typeof FAULTS)[number];

export type RoughProxy = {
  readonly url: string;
  /** How often each fault happened. */
  readonly counts: Record<Fault, number>;
  /** Makes a black hole of every connection that there is now. */
  swallow(): void;
  /** From now on nothing happens to connections, old ones included. */
  calm(): void;
  close(): Promise<void>;
};

/** `meanMs` is how long a connection is well. */
export async function startRoughProxy(
  target: string,
  { random, meanMs, faults = FAULTS }: { random: Random; meanMs: number; faults?: readonly Fault[] },
): Promise<RoughProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const counts = Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Record<Fault, number>;
  const swallows = new Set<() => void>();
  let isCalm = false;

  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = openSocket({ port: Number(port), host: hostname, allowHalfOpen: true });
    let delayMs = 0;
    let isBlackHole = false;
    const swallow = () => {
      isBlackHole = true;
    };
    swallows.add(swallow);
    const fault = random.pick(faults);
    const strike = setTimeout(
      () => {
        if (isCalm || client.destroyed) return;
        counts[fault]++;
        if (fault === "cut") client.destroy();
        else if (fault === "reset") client.resetAndDestroy();
        else if (fault === "delay") delayMs = random.number(50, 300);
        else if (fault === "black-hole") swallow();
        else if (fault === "half-close client") client.end();
        else if (fault === "half-close server") upstream.end();
      },
      random.number(0, 2 * meanMs),
    );
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      // Late ones in order, because the delay never changes back.
      const later = (pass: () => void) => (delayMs > 0 ? setTimeout(pass, delayMs) : pass());
      from.on("data", (chunk) => {
        if (!isBlackHole) later(() => to.writable && to.write(chunk));
      });
      from.on("end", () => {
        if (!isBlackHole) later(() => to.end());
      });
      from.on("error", () => {
        // "close" follows, and is all there is to do.
      });
      from.on("close", () => {
        clearTimeout(strike);
        swallows.delete(swallow);
        sockets.delete(from);
        // Nobody is told of what happens behind a black hole.
        if (!isBlackHole) to.destroy();
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    counts,
    swallow() {
      for (const swallow of swallows) swallow();
    },
    calm() {
      isCalm = true;
    },
    async close() {
      isCalm = true;
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
