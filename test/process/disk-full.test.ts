// The embedded store on a disk that is full: workerd with its data on a small file system of its own, which takes a
// namespace of Linux. On other systems this file has no tests; test/store/embedded-store.test.ts has the same error.

import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { newDisk, startWorkerd } from "./support/workerd.ts";

const LARGE = "x".repeat(200_000);
const HEADERS = { "x-api-key": "local_dev_key", "content-type": "application/json" };
const canMount = spawnSync("unshare", ["-rm", "true"]).status === 0;

it.skipIf(!canMount)("says that the store is full, goes on reading, and writes again once there is room", async () => {
  const disk = newDisk();
  const filler = "filler";
  const mount = `mount -t tmpfs -o size=24m none "$0" && head -c 10000000 /dev/zero > "$0/${filler}" && exec "$@"`;
  const memx = await startWorkerd({ disk, run: ["unshare", "-rm", "sh", "-c", mount, disk] });
  const send = async (path: string, body?: object) => {
    const init = { headers: HEADERS, ...(body && { method: "POST", body: JSON.stringify(body) }) };
    const response = await fetch(memx.url + path, init);
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  const set = (key: string) => send("/set", { key, value: LARGE });
  const health = async () => JSON.parse((await send("/health")).text);
  expect(await health()).toMatchObject({ status: "ok", store: "embedded" });
  expect(await send("/health?ready")).toMatchObject({ status: 200 });

  let written = 0;
  let last = await set("k0");
  while (last.status === 200 && written < 200) last = await set(`k${++written}`);
  expect(written).toBeGreaterThan(5);
  expect(last.status, last.text).toBe(507);
  expect(last.headers.get("retry-after")).toBeNull();
  expect(JSON.parse(last.text)).toMatchObject({ code: "store_full", title: "The store is full" });
  expect(last.text).not.toMatch(/sqlite|disk/i);
  expect(await health()).toMatchObject({ status: "full", warnings: [{ code: "store_full" }] });
  const { status, text } = await send("/health?ready");
  expect([status, JSON.parse(text).code]).toEqual([503, "store_unavailable"]);
  expect(JSON.parse(text).detail).toMatch(/^The store is full\./);
  const keys = Array.from({ length: written }, (_, n) => `k${n}`);
  const values = async () => {
    const { text } = await send("/keys?limit=1000");
    return JSON.parse(text).keys.map(({ key }: { key: string }) => key);
  };
  expect(await values()).toEqual(keys.toSorted());
  expect(JSON.parse((await send("/get?key=k0")).text).value).toBe(LARGE);

  // The file system is not visible from here, except by way of the process.
  rmSync(join(`/proc/${memx.process.pid}/root`, disk, filler));
  expect(await set(`k${written}`)).toMatchObject({ status: 200 });
  expect(await values()).toEqual([...keys, `k${written}`].toSorted());
  expect(await send("/delete", { key: "k0" })).toMatchObject({ status: 200 });
});
