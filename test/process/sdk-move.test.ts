// `memx-sdk export` and `memx-sdk import` as users run them: from one engine to the other.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  contents,
  emptyMemory,
  lines,
  type Memory,
  memx,
  nothing,
  sdkCli,
  startMemories,
  summary,
} from "./support/memories.ts";

startMemories();

async function fill({ set, call }: Memory) {
  await set("exact", '{"big":9007199254740993,"one":1.0,"e":"\\u00e9"}');
  await set("broken up", '{"a":\n1,\r\n"b":"\u2028"}');
  await set("named", '"x"', "", "planner");
  await set("old", "1", ',"ts":1000.25');
  await set("ending", "1", ',"ttl":1000000');
  await set("gone", "1");
  await call("/delete", '{"key":"gone"}');
  await set("before its schema", '"text"');
  await call("/schema", '{"key":"before its schema","schema":{"type":"number", "minimum":1.0}}', "planner");
  await call("/schema", '{"key":"only a schema","schema":true}');
  for (let index = 0; index < 250; index++) await set(`many:${index}`, `${index}`, "", `agent ${index % 3}`);
}

describe.each([
  ["embedded", "redis"],
  ["redis", "embedded"],
] as const)("from %s to %s", (from, to) => {
  it("moves values, schemas, times, expiries and names, and can be repeated", async () => {
    const [source, target] = [emptyMemory(from), emptyMemory(to)];
    await fill(source);
    const exported = await source.cli(["export"]);
    expect(exported).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(lines(exported.stdout).at(-1) as string)).toEqual({ event: "end", values: 256, schemas: 2 });

    const planned = await target.cli(["import", "--dry-run"], exported.stdout);
    expect(summary(planned)).toEqual({ ...nothing, written: 256, schemas: 2, dryRun: true });
    expect(await contents(target)).toEqual([]);

    const imported = await target.cli(["import"], exported.stdout);
    expect(imported).toMatchObject({ code: 0, stderr: "" });
    expect(summary(imported)).toEqual({ ...nothing, written: 256, schemas: 2 });
    expect(await contents(target)).toEqual(await contents(source));

    for (const option of [[], ["--overwrite"]]) {
      const again = await target.cli(["import", ...option], exported.stdout);
      expect(summary(again)).toEqual({ ...nothing, unchanged: 258 });
    }
    const skipped = await target.cli(["import", "--skip-existing"], exported.stdout);
    // The schema is the same.
    expect(summary(skipped)).toEqual({ ...nothing, existing: 256, unchanged: 2 });
    expect(await contents(target)).toEqual(await contents(source));
  });
});

it("exports one moment while others write", async () => {
  const source = emptyMemory();
  const count = 2_000;
  for (let index = 0; index < count; index += 100) {
    const operations = Array.from({ length: 100 }, (_, each) => `{"op":"set","key":"k:${index + each}","value":0}`);
    await source.call("/batch", `{"operations":[${operations.join(",")}]}`);
  }
  let writing = true;
  let round = 0;
  // Each batch sets the first and the last key to the same number, and takes a key away or brings it back.
  const writer = (async () => {
    for (; writing; round++) {
      const ends = ["k:0", `k:${count - 1}`, "zz"].map((key) => `{"op":"set","key":"${key}","value":${round}}`);
      const other = round % 2 ? '{"op":"set","key":"k:1","value":1}' : '{"op":"delete","key":"k:1"}';
      await source.call("/batch", `{"operations":[${[...ends, other].join(",")}]}`);
    }
  })();
  onTestFinished(async () => {
    writing = false;
    await writer;
  });
  await expect.poll(() => round).toBeGreaterThan(3);
  for (let times = 0; times < 3; times++) {
    const exported = lines((await source.cli(["export"])).stdout).slice(1, -1);
    const events = exported.map((line) => JSON.parse(line));
    const values = new Map(events.map(({ key, value }) => [key, value]));
    expect(values.size).toBe(events.length);
    expect(values.get("zz")).toBeGreaterThan(2);
    expect(values.get("k:0")).toBe(values.get("zz"));
    expect(values.get(`k:${count - 1}`)).toBe(values.get("zz"));
    expect(values.size).toBe(count + 1 - (values.get("zz") % 2 ? 0 : 1));
  }
});

it("exports the keys that match a pattern", async () => {
  const source = emptyMemory();
  for (const key of ["a:1", "a:2", "b:1", "c:1"]) await source.set(key, "1");
  const exported = lines((await source.cli(["export", "a:*", "b:1"])).stdout);
  expect(exported.slice(1, -1).map((line) => JSON.parse(line).key)).toEqual(["a:1", "a:2", "b:1"]);
});

it("moves more than its memory holds", async () => {
  const source = emptyMemory();
  const count = 1_600;
  const text = "x".repeat(24_000);
  const start = (index: number) => `"key":"k:${String(index).padStart(4, "0")}","value":{"n":${index}.0,"text":"`;
  const line = (index: number) => `{${start(index)}${text}"},"ts":1000.5}`;
  const all = Array.from({ length: count }, (_, index) => line(index)).join("\n");
  // Less than the 38 MB of the values.
  const small = "--max-old-space-size=28";
  expect(summary(await source.cli(["import"], all, [small]))).toEqual({ ...nothing, written: count });
  const { code, stderr, stdout } = await source.cli(["export"], undefined, [small]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const exported = lines(stdout).slice(1, -1);
  expect(exported).toHaveLength(count);
  for (const [index, found] of exported.entries()) {
    expect(found).toContain(`,${start(index)}xxx`);
    expect(found).toContain('xxx"},"ts":1000.5,');
    expect(found.length).toBeGreaterThan(text.length);
  }
});

it("goes on after memX was killed in the middle", async () => {
  const target = emptyMemory();
  const count = 400;
  const file = Array.from(
    { length: count },
    (_, index) => `{"key":"k:${index}","value":${index},"ts":${1000 + index}}\n`,
  );
  const child = spawn(process.execPath, [sdkCli(), "import"], { env: target.env });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const ended = once(child, "exit");
  child.stdin.write(file.slice(0, 200).join(""));
  await expect.poll(() => target.call("/get?key=k:100")).not.toBe("null");
  await memx.embedded.kill();
  child.stdin.end(file.slice(200).join(""));
  await memx.embedded.start();
  expect(await ended).toEqual([0, null]);
  // A write whose response was lost is not counted twice: it comes with its `Idempotency-Key`.
  expect(JSON.parse(output)).toEqual({ ...nothing, written: count });
  const { stdout } = await target.cli(["export"]);
  expect(
    lines(stdout)
      .slice(1, -1)
      .map((each) => JSON.parse(each).value)
      .toSorted((a, b) => a - b),
  ).toEqual(Array.from({ length: count }, (_, index) => index));
});

it("begins an export again if the connection breaks, and prints nothing twice", async () => {
  const source = emptyMemory();
  const count = 500;
  const all = Array.from({ length: count }, (_, index) => `{"key":"k:${index}","value":"${"x".repeat(1_000)}"}`);
  expect(summary(await source.cli(["import"], all.join("\n")))).toEqual({ ...nothing, written: count });
  const whole = await source.cli(["export"]);
  // Less than half of the snapshot.
  const proxy = await startCuttingProxy(source.env.MEMX_BASE_URL, { bytes: 200_000, times: 2 });
  onTestFinished(proxy.close);
  source.env.MEMX_BASE_URL = proxy.url;
  const exported = await source.cli(["export"]);
  expect(exported).toMatchObject({ code: 0, stdout: whole.stdout });
  expect(exported.stderr.match(/The export begins again\./g)).toHaveLength(2);
});

it("prints nothing of an export that it cannot finish", async () => {
  const source = emptyMemory();
  for (let index = 0; index < 5; index++) await source.set(`k:${index}`, `"${"x".repeat(100_000)}"`);
  const proxy = await startCuttingProxy(source.env.MEMX_BASE_URL, { bytes: 200_000, times: Number.POSITIVE_INFINITY });
  onTestFinished(proxy.close);
  source.env.MEMX_BASE_URL = proxy.url;
  expect(await source.cli(["export"])).toMatchObject({ code: 5, stdout: "" });
});

/** A proxy that breaks the first connections after so many bytes of responses. */
async function startCuttingProxy(target: string, { bytes, times }: { bytes: number; times: number }) {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let cuts = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    let passed = 0;
    upstream.on("data", (chunk) => {
      passed += chunk.length;
      if (passed > bytes && cuts < times) {
        cuts++;
        // More of it may have arrived.
        upstream.destroy();
        client.resetAndDestroy();
      } else client.write(chunk);
    });
    client.on("data", (chunk) => upstream.write(chunk));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on("error", () => {
        // The "close" event follows.
      });
      one.on("close", () => other.destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}
