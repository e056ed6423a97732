// Clients that open WebSockets and then do nothing, not even answer a close. The platform keeps such a connection, with its file
// descriptors and memory, for as long as the client likes, so memX lets there be only so many of them.

import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { handshake, readFrame } from "../support/raw-frames.ts";
import { startWorkerd, type Workerd } from "./support/workerd.ts";

/** Two for each connection, and a reserve for the files of channels that come and go. */
const DESCRIPTORS = 2;
const OTHER_DESCRIPTORS = 1_000;
const TOGETHER = 50;

type Opened = { readonly socket: Socket; readonly status: number; readonly closeCode: number | undefined };

it("refuses with a close code, and by HTTP once too many clients leave that unanswered", async () => {
  const memx = await startWorkerd();
  const refused = async (count: number) => openAll(memx, count, (n) => `/subscribe/${n}`, "unknown-key");
  const silent = await refused(LIMITS.maxRefusedSockets + 20);
  expect(count(silent, 101)).toBe(LIMITS.maxRefusedSockets);
  expect(count(silent, 403)).toBe(20);
  for (const { status, closeCode } of silent) if (status === 101) expect(closeCode).toBe(4403);
  for (const { socket } of silent) socket.destroy();
  await expect.poll(() => descriptors(memx)).toBeLessThan(100);
  expect(count(await refused(10), 101)).toBe(10);
});

it("keeps a bounded number of sockets of a namespace, however many channels they are on", {
  tags: ["long"],
}, async () => {
  const list = Object.fromEntries(
    ["a", "b", "other"].map((name) => [
      name,
      {
        read: ["*"],
        write: ["*"],
        user_id: `${name === "other" ? "22222222" : "11111111"}-0000-4000-8000-000000000000`,
      },
    ]),
  );
  const memx = await startWorkerd({ bindings: { MEMX_ACL: JSON.stringify(list) } });
  const half = LIMITS.maxNamespaceSockets / 2;
  const path = (n: number) => `/subscribe/${n % 100}`;
  const [first, second] = [await openAll(memx, half, path, "a"), await openAll(memx, half + 100, path, "b")];
  expect(count(first, 101)).toBe(half);
  // Those that were refused are silent, too.
  const open = [...first, ...second].filter(({ closeCode, status }) => status === 101 && closeCode === undefined);
  expect(open.length).toBe(LIMITS.maxNamespaceSockets);
  expect(descriptors(memx)).toBeLessThan(DESCRIPTORS * (LIMITS.maxNamespaceSockets + 100) + OTHER_DESCRIPTORS);

  const [other] = await openAll(memx, 1, path, "other");
  expect([other?.status, other?.closeCode]).toEqual([101, undefined]);
  const response = await fetch(`${memx.url}/get?key=a`, { headers: { "x-api-key": "a" } });
  expect(response.status).toBe(200);

  for (const { socket } of first) socket.destroy();
  await expect
    .poll(async () => (await openAll(memx, 1, path, "a"))[0]?.closeCode ?? "open", { interval: 500, timeout: 120_000 })
    .toBe("open");
});

/** Opens WebSockets, and waits for what memX says at once: the response, and a close frame if one follows. */
async function openAll(
  { port }: Workerd,
  count: number,
  path: (n: number) => string,
  apiKey: string,
): Promise<Opened[]> {
  const opened: Opened[] = [];
  let next = 0;
  const work = async () => {
    for (let n = next++; n < count; n = next++) {
      const socket = connect(port, "127.0.0.1");
      onTestFinished(() => void socket.destroy());
      socket.on("error", () => {});
      let bytes = Buffer.alloc(0);
      socket.on("data", (chunk: Buffer) => {
        bytes = Buffer.concat([bytes, chunk]);
      });
      await once(socket, "connect");
      socket.write(handshake(path(n), { "x-api-key": apiKey, "sec-websocket-protocol": "memx.v1" }));
      while (!bytes.includes("\r\n\r\n")) await once(socket, "data");
      const head = bytes.toString("latin1").split("\r\n\r\n", 1)[0] ?? "";
      const status = Number(head.split(" ", 2)[1]);
      // A subscriber gets `ready`, and a refused socket its close frame.
      const frame = () => readFrame(bytes.subarray(head.length + 4));
      while (status === 101 && !frame()) await once(socket, "data");
      const { opcode, payload } = (status === 101 && frame()) || {};
      opened.push({ socket, status, closeCode: opcode === 8 ? payload?.readUInt16BE() : undefined });
    }
  };
  await Promise.all(Array.from({ length: TOGETHER }, work));
  return opened;
}

function count(opened: readonly Opened[], wanted: number): number {
  return opened.filter(({ status }) => status === wanted).length;
}

function descriptors({ process: { pid } }: Workerd): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
