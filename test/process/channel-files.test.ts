// What a name leaves that a client once subscribed to and that was never written: nothing on disk, and no row.

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { removeEmptyFiles } from "../../selfhost/empty-files.ts";
import { LONG_PATIENCE_MS } from "../support/patience.ts";
import { sender } from "./support/agents-at-work.ts";
import { newDisk, startWorkerd } from "./support/workerd.ts";

const KEY = Buffer.from("local_dev_key").toString("base64url");
const NAMES = Array.from({ length: 20 }, (_, n) => `name-${n}`);

/** Resolves when the subscriber gets what is current. */
function subscribe(url: string, key: string): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/subscribe/${key}`, ["memx.v1", `memx.key.${KEY}`]);
  return new Promise((resolve, reject) => {
    socket.addEventListener("message", () => resolve(socket));
    socket.addEventListener("close", ({ code }) => reject(new Error(`closed with ${code}`)));
  });
}

it("a channel that every subscriber has left deletes what it stored, and its mark in the store", async () => {
  const disk = newDisk();
  // The alarm of a channel comes after half of this.
  const bindings = { REVOCATION_SECONDS: "1" };
  const memx = await startWorkerd({ disk, bindings });
  const send = sender(memx.url);
  await send("/set", { key: "stays", value: 1 });
  await subscribe(memx.url, "stays");
  const sockets = await Promise.all(NAMES.map((name) => subscribe(memx.url, name)));
  const channels = () => readdirSync(join(disk, "channel")).filter((name) => /^[0-9a-f]{64}/.test(name));
  const sizes = () => channels().map((name) => statSync(join(disk, "channel", name), { throwIfNoEntry: false })?.size);
  expect(channels()).toHaveLength(3 * 21);
  for (const socket of sockets) socket.close();
  // Each of the 20 has a file of one page left, and no log of it. The one that stays has a page, too.
  const left = () => [sizes().length, sizes().filter((size) => size === 4096).length];
  await expect.poll(left, { timeout: LONG_PATIENCE_MS }).toEqual([20 + 3, 21]);
  memx.process.kill("SIGKILL");
  await new Promise((resolve) => memx.process.once("exit", resolve));

  expect(removeEmptyFiles(join(disk, "channel"))).toBe(20);
  expect(removeEmptyFiles(join(disk, "channel"))).toBe(0);
  expect(channels().filter((name) => name.endsWith(".sqlite"))).toHaveLength(1);
  const [store = ""] = readdirSync(join(disk, "store")).filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name));
  const database = new DatabaseSync(join(disk, "store", store));
  expect(database.prepare("SELECT key FROM entries").all()).toEqual([{ key: "stays" }]);
  database.close();

  // The names can be used as if nothing had been.
  const again = await startWorkerd({ disk, bindings });
  for (const name of ["stays", ...NAMES]) {
    const socket = await subscribe(again.url, name);
    const changed = new Promise((resolve) =>
      socket.addEventListener("message", ({ data }) => resolve(JSON.parse(data as string).value)),
    );
    await sender(again.url)("/set", { key: name, value: name });
    expect(await changed).toBe(name);
    socket.close();
  }
});
