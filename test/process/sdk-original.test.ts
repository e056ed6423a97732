// `memx-sdk import --from-original`: from the Redis of an original memX into memX.

import { createClient } from "redis";
import { expect, it, onTestFinished } from "vitest";
import { startRedisServer } from "../support/redis-server.ts";
import { contents, emptyMemory, nothing, startMemories, summary } from "./support/memories.ts";
import { ENGINES } from "./support/self-hosted.ts";

startMemories();

async function original() {
  const server = await startRedisServer();
  const client = createClient({ url: server.url });
  await client.connect();
  onTestFinished(async () => {
    client.destroy();
    await server.stop();
  });
  return { url: server.url, client };
}

/** Every key of a Redis with its value. */
async function allOf(client: Awaited<ReturnType<typeof original>>["client"]) {
  const keys = (await client.keys("*")).sort();
  return { keys, values: await client.mGet(keys) };
}

it.each(ENGINES)("imports one namespace into the %s store, with its times and schemas", async (engine) => {
  const { url, client } = await original();
  const target = emptyMemory(engine);
  const large = `"${"ü".repeat(100_000)}"`;
  // In the format of Python's `json.dumps`.
  await client.mSet({
    "memx:value:a1b2c3d4:agent:goal": '{"value": {"x": 1.0, "big": 9007199254740993}, "ts": 1716000000.123456}',
    "memx:value:a1b2c3d4:escaped": String.raw`{"value": ["\u00fc \ud83d\ude00", 1e+16, 1.5e-07, null], "ts": 1716000003.5}`,
    "memx:value:a1b2c3d4:large": `{"value": ${large}, "ts": 1716000001.5}`,
    "memx:value:a1b2c3d4:before": '{"value": "text", "ts": 1716000002}',
    "memx:schema:a1b2c3d4:before": '{"type": "number"}',
    "memx:schema:a1b2c3d4:only": '{"type": "object"}',
    "memx:value:e5f6a7b8:agent:goal": '{"value": "of another user", "ts": 1716000000}',
    "memx:value:plain": '{"value": null, "ts": 1716000000}',
    "another:program": "x",
  });
  const many = Array.from({ length: 1_500 }, (_, index) => [
    `memx:value:a1b2c3d4:many:${index}`,
    `{"value": ${index}, "ts": ${1716000000 + index}}`,
  ]);
  await client.mSet(Object.fromEntries(many));
  const before = await allOf(client);

  expect(await target.cli(["import", "--from-original", url])).toEqual({
    code: 2,
    stdout: "",
    stderr:
      "Say which namespace to import with this API key:\n" +
      "  --namespace ''   (values and schemas: 1)\n" +
      "  --namespace a1b2c3d4   (values and schemas: 1506)\n" +
      "  --namespace e5f6a7b8   (values and schemas: 1)\n",
  });
  const importOne = async (...options: string[]) => {
    const result = await target.cli(["import", "--from-original", url, "--namespace", "a1b2c3d4", ...options]);
    expect(result).toMatchObject({ code: 0, stderr: "" });
    return summary(result);
  };
  expect(await importOne("--dry-run")).toEqual({ ...nothing, written: 1_504, schemas: 2, dryRun: true });
  expect(await contents(target)).toEqual([]);
  expect(await importOne()).toEqual({ ...nothing, written: 1_504, schemas: 2 });
  expect(await target.call("/get?key=agent:goal")).toMatch(
    '{"value":{"x": 1.0, "big": 9007199254740993},"ts":1716000000.123456,',
  );
  expect(await target.call("/get?key=escaped")).toMatch(
    String.raw`{"value":["\u00fc \ud83d\ude00", 1e+16, 1.5e-07, null],"ts":1716000003.5,`,
  );
  expect(await target.call("/get?key=large")).toMatch(`{"value":${large},"ts":1716000001.5,`);
  expect(await target.call("/get?key=before")).toMatch('{"value":"text","ts":1716000002,');
  expect(JSON.parse(await target.call("/schema?key=before")).schema).toEqual({ type: "number" });
  expect(JSON.parse(await target.call("/schema?key=only")).schema).toEqual({ type: "object" });
  expect(JSON.parse(await target.call("/get?key=many:1499"))).toMatchObject({ value: 1499, ts: 1716001499 });
  expect(await target.call("/get?key=plain")).toBe("null");

  const imported = await contents(target);
  expect(imported).toHaveLength(1_506);
  expect(await importOne("--dry-run")).toEqual({ ...nothing, unchanged: 1_506, dryRun: true });
  expect(await importOne()).toEqual({ ...nothing, unchanged: 1_506 });
  expect(await contents(target)).toEqual(imported);
  expect(await allOf(client)).toEqual(before);
});

it("keeps what agents have written to memX since", async () => {
  const { url, client } = await original();
  const target = emptyMemory();
  const importOne = async () =>
    summary(await target.cli(["import", "--from-original", url, "--namespace", "a1b2c3d4"]));
  await client.set("memx:value:a1b2c3d4:moved", '{"value": 1, "ts": 1716000000.5}');
  await client.set("memx:value:a1b2c3d4:late", '{"value": 1, "ts": 1716000000.5}');
  expect(await importOne()).toEqual({ ...nothing, written: 2 });
  await target.set("moved", "2");
  await client.set("memx:value:a1b2c3d4:late", '{"value": 3, "ts": 1716000001.5}');
  expect(await importOne()).toEqual({ ...nothing, written: 1, newer: 1 });
  expect(JSON.parse(await target.call("/get?key=moved")).value).toBe(2);
  expect(JSON.parse(await target.call("/get?key=late"))).toMatchObject({ value: 3, ts: 1716000001.5 });
});

it("names the key that is wrong", async () => {
  const { url, client } = await original();
  const { cli } = emptyMemory();
  const expectFault = async (stderr: string, code = 2) =>
    expect(await cli(["import", "--from-original", url, "--namespace", ""])).toMatchObject({
      code,
      stderr: `${stderr}\nImport again: what is there already stays.\n`,
    });
  await client.set("memx:value:a", '{"value": NaN, "ts": 1}');
  await expectFault('Redis key "memx:value:a": Not valid JSON.');
  await client.set("memx:value:a", '{"ts": 1}');
  await expectFault('Redis key "memx:value:a": `value` is missing.');
  await client.set("memx:value:a", `{"value": "\\ud800", "ts": 1}`);
  const { stderr } = await cli(["import", "--from-original", url, "--namespace", ""]);
  expect(stderr).toMatch(/^Redis key "memx:value:a": .*surrogate/);
});

it("says that Redis is away, is none, or wants a password", async () => {
  const { url, client } = await original();
  const { cli, env } = emptyMemory();
  await client.configSet("requirepass", "secret");
  const from = async (redis: string) => (await cli(["import", "--from-original", redis])).stderr;
  expect(await from(url)).toMatch(/refuses: NOAUTH/);
  expect(await from(url.replace("//", "//:wrong@"))).toMatch(/refuses: WRONGPASS/);
  expect(await from(url.replace("//", "//:secret@"))).toBe(
    "Warning: other users of this machine can see the password of --from-original in its list of processes. Use REDISCLI_AUTH.\n" +
      "This Redis has no data of an original memX.\n",
  );
  env.REDISCLI_AUTH = "secret";
  expect(await from(url)).toBe("This Redis has no data of an original memX.\n");
  expect(await from("redis://127.0.0.1:1")).toMatch(/^Redis cannot be reached at 127\.0\.0\.1:1: /);
  expect(await from(env.MEMX_BASE_URL.replace("http", "redis"))).toMatch(/^No Redis is at /);
});
