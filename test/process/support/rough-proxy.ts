// A TCP proxy that disturbs each connection after a while, as networks do. It uses a seed, so that a run is repeatable.

import { createServer, connect as openSocket, type Socket } from "node:net";
import type { Random } from "../../support/random.ts";

/** What happens to a connection. The effect lasts until the connection ends. */
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
  /** Turns every current connection into a black hole. */
  swallow(): void;
  /** Stops disturbing connections, including current ones. */
  calm(): void;
  close(): Promise<void>;
};

/** `meanMs` is the mean time before a connection is disturbed. */
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
      // Delayed chunks stay in order, because the delay never decreases.
      const later = (pass: () => void) => (delayMs > 0 ? setTimeout(pass, delayMs) : pass());
      from.on("data", (chunk) => {
        if (!isBlackHole) later(() => to.writable && to.write(chunk));
      });
      from.on("end", () => {
        if (!isBlackHole) later(() => to.end());
      });
      from.on("error", () => {
        // The "close" event follows and does the rest.
      });
      from.on("close", () => {
        clearTimeout(strike);
        swallows.delete(swallow);
        sockets.delete(from);
        // A black hole does not pass on the end of a connection.
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
