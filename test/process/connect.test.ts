// Sockets of calls that break: clients that hang up or do not read, and a server that is killed. On workerd itself.

import { once } from "node:events";
import { expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { LONG_PATIENCE_MS } from "../support/patience.ts";
import { settingsOf } from "./support/bridged-redis.ts";
import { killGroup } from "./support/dev-server.ts";
import { connectRawCalls, type RawCalls } from "./support/raw-calls.ts";
import { ENGINES } from "./support/self-hosted.ts";
import { newDisk, startWorkerd, type Workerd } from "./support/workerd.ts";

const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };

async function storedValue(url: string, key: string): Promise<unknown> {
  const entry = await (await fetch(`${url}/get?key=${key}`, { headers })).json();
  return (entry as { value: unknown } | null)?.value;
}

it("keeps every write that it acknowledged to clients that reset their connection, and frees their places", async () => {
  const { port, url, output } = await startWorkerd();
  const before = output();
  const acknowledged: string[] = [];
  // More than an API key may have, each with calls in flight.
  for (let n = 0; n < LIMITS.maxCallSocketsPerApiKey + 20; n++) {
    const connection = await connectRawCalls(port).catch(() => undefined);
    if (!connection) throw new Error(`socket ${n} was refused`);
    const key = (id: number) => `s${n}-${id}`;
    const sets = (from: number) =>
      Array.from(
        { length: 8 },
        (_, at) => `{"id":${from + at},"call":"set","body":{"key":"${key(from + at)}","value":1}}`,
      );
    await connection.send(sets(0).join("\n"));
    if (n % 3 > 0) await expect.poll(() => connection.answers.size, { interval: 1 }).toBeGreaterThan(0);
    if (n % 3 > 1) await connection.send(sets(8).join("\n"));
    connection.reset();
    for (const [id, { status }] of connection.answers) if (status === 200) acknowledged.push(key(id));
  }
  expect(acknowledged.length).toBeGreaterThan(LIMITS.maxCallSocketsPerApiKey / 2);
  for (const key of acknowledged) expect(await storedValue(url, key), key).toBe(1);

  const openAll = async () => {
    const all = await Promise.all(Array.from({ length: LIMITS.maxCallSocketsPerApiKey }, () => connectRawCalls(port)));
    for (const { send } of all) await send('{"id":1,"call":"get","body":{"key":"a"}}');
    const works = await Promise.all(
      all.map(async ({ answers, closed }) => {
        await Promise.race([closed, expect.poll(() => answers.size).toBe(1)]);
        return answers.size === 1;
      }),
    );
    for (const { reset } of all) reset();
    return works.every(Boolean);
  };
  await expect.poll(openAll, { timeout: LONG_PATIENCE_MS }).toBe(true);
  // A client that goes is no defect of memX.
  expect(output()).toBe(before);
});

it.each(ENGINES)("loses and doubles no write, however often it is killed, on the %s store", async (engine) => {
  const server = { disk: newDisk(), bindings: await settingsOf(engine) };
  let memx: Workerd = await startWorkerd(server);
  let stop = false;
  let written = 0;
  const increment = (id: number, writer: number, n: number) =>
    `{"id":${id},"call":"patch","body":{"key":"w${writer}","increment":{"by":1}},"idempotency":"w${writer}-${n}"}`;

  /** Increments a key with several calls in flight, and sends those without an answer again over the next socket. */
  const write = async (writer: number) => {
    const first = new Map<number, string>();
    let next = 0;
    while (!stop) {
      const connection: RawCalls | undefined = await connectRawCalls(memx.port).catch(() => undefined);
      if (!connection) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        continue;
      }
      let broken = false;
      void connection.closed.then(() => {
        broken = true;
      });
      while (!broken && !stop) {
        const pending = Array.from({ length: 8 }, (_, at) => next + at).filter((n) => !first.has(n));
        await connection.send(pending.map((n) => increment(n, writer, n)).join("\n"));
        await Promise.race([
          connection.closed,
          expect.poll(() => pending.every((n) => connection.answers.has(n)), { interval: 1 }).toBe(true),
        ]);
        for (const n of pending) {
          const answer = connection.answers.get(n);
          if (answer?.status !== 200) continue;
          first.set(n, JSON.stringify(answer.body));
          written++;
        }
        while (first.has(next)) next++;
      }
      connection.reset();
    }
    return { writer, first };
  };

  const writers = Promise.all([0, 1, 2].map(write));
  for (let kill = 0; kill < 4; kill++) {
    const before = written;
    await expect.poll(() => written, { timeout: LONG_PATIENCE_MS, interval: 1 }).toBeGreaterThan(before + 50);
    const ended = once(memx.process, "exit");
    killGroup(memx.process.pid);
    await ended;
    memx = await startWorkerd(server);
  }
  stop = true;
  for (const { writer, first } of await writers) {
    const connection = await connectRawCalls(memx.port);
    // Those in flight at the last kill may have been applied without an answer, so every call is sent once more.
    const all = Array.from({ length: Math.max(...first.keys()) + 8 }, (_, n) => n);
    for (let from = 0; from < all.length; from += 200) {
      const ids = all.slice(from, from + 200);
      await connection.send(ids.map((n) => increment(n, writer, n)).join("\n"));
      await expect.poll(() => ids.every((n) => connection.answers.has(n)), { timeout: LONG_PATIENCE_MS }).toBe(true);
    }
    for (const [n, text] of first) expect(JSON.stringify(connection.answers.get(n)?.body)).toBe(text);
    const revisions = all.map((n) => connection.answers.get(n)?.body.revision);
    expect(new Set(revisions).size).toBe(all.length);
    // Each increment was applied exactly once.
    expect(await storedValue(memx.url, `w${writer}`)).toBe(all.length);
    const body = `{"key":"w${writer}","increment":{"by":1}}`;
    const request = { method: "POST", body, headers: { ...headers, "idempotency-key": `w${writer}-0` } };
    const overHttp = await (await fetch(`${memx.url}/patch`, request)).json();
    expect(overHttp).toEqual(connection.answers.get(0)?.body);
    connection.reset();
  }
});

it("closes a client that does not read with 1013, and serves the others meanwhile", async () => {
  const { port, url } = await startWorkerd();
  const value = "x".repeat(250_000);
  await fetch(`${url}/set`, { method: "POST", headers, body: JSON.stringify({ key: "large", value }) });
  const [deaf, other] = [await connectRawCalls(port), await connectRawCalls(port)];
  deaf.pause();
  // Far more than may be unread.
  for (let id = 0; id < 200; id++) await deaf.send(`{"id":${id},"call":"get","body":{"key":"large"}}`);
  await other.send('{"id":1,"call":"set","body":{"key":"other","value":1}}');
  await expect.poll(() => other.answers.get(1)?.status).toBe(200);
  deaf.resume();
  expect(await deaf.closed).toBe(1013);
  expect(deaf.answers.size).toBeLessThan((2 * LIMITS.maxUnreadChars) / value.length);
  expect(await storedValue(url, "other")).toBe(1);
});
