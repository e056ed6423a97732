// What `memx-sdk import` does with lines that are old or wrong, with files that were cut off, and when it is interrupted.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { run } from "./support/installed-sdk.ts";
import { contents, emptyMemory, lines, nothing, sdk, sdkCli, startMemories, summary } from "./support/memories.ts";

startMemories();

it("leaves what is newer, skips what exists, or overwrites it", async () => {
  const target = emptyMemory();
  const file = [
    '{"key":"a","value":1,"ts":1000}',
    '{"key":"b","value":1,"ts":1000}',
    '{"key":"c","value":1,"ts":1000}',
  ];
  const read = async () =>
    JSON.parse(await target.call("/keys?values=true")).keys.map(({ key, value, ts }: Record<string, unknown>) => [
      key,
      value,
      ts,
    ]);
  await target.set("a", "2", ',"ts":2000');
  await target.set("b", "2", ',"ts":500');
  await target.set("c", "2");
  await target.call("/delete", '{"key":"c"}');

  expect(summary(await target.cli(["import", "--skip-existing"], file.join("\n")))).toEqual({
    ...nothing,
    existing: 2,
    written: 1,
  });
  expect(await read()).toEqual([
    ["a", 2, 2000],
    ["b", 2, 500],
    ["c", 1, expect.any(Number)],
  ]);
  await target.call("/delete", '{"key":"c"}');
  expect(summary(await target.cli(["import"], file.join("\n")))).toEqual({ ...nothing, newer: 2, written: 1 });
  expect(await read()).toEqual([
    ["a", 2, 2000],
    ["b", 1, 1000],
  ]);
  expect(summary(await target.cli(["import", "--overwrite"], file.join("\n")))).toEqual({
    ...nothing,
    unchanged: 1,
    written: 2,
  });
  expect((await read()).map(([key, value]: unknown[]) => [key, value])).toEqual([
    ["a", 1],
    ["b", 1],
    ["c", 1],
  ]);
  expect(summary(await target.cli(["import"], '{"key":"d","value":1,"expires":1}'))).toEqual({
    ...nothing,
    expired: 1,
  });
});

it("takes the lines of one key in their order, and keeps the latest time", async () => {
  const target = emptyMemory();
  const file = [
    '{"key":"a","value":"later","ts":2000}',
    '{"key":"b","value":1,"ts":1000}',
    '{"key":"a","value":"earlier","ts":1000}',
    '{"key":"b","value":2,"ts":1001}',
    '{"key":"b","value":2,"ts":1001}',
  ];
  const counts = summary(await target.cli(["import"], file.join("\n")));
  expect(counts).toEqual({ ...nothing, written: 3, newer: 1, unchanged: 1 });
  expect(JSON.parse(await target.call("/get?key=a"))).toMatchObject({ value: "later", ts: 2000 });
  expect(JSON.parse(await target.call("/get?key=b"))).toMatchObject({ value: 2, ts: 1001 });
});

it("stops at the first wrong line, names it, and goes on from there", async () => {
  const target = emptyMemory();
  const good = (index: number) => `{"key":"k:${index}","value":${index},"ts":${1000 + index}}`;
  const file = Array.from({ length: 350 }, (_, index) => good(index + 1));
  const check = async (wrong: string, message: string, code: number) => {
    const result = await target.cli(["import"], [...file.slice(0, 249), wrong, ...file.slice(250)].join("\n"));
    expect(result).toMatchObject({ code, stderr: `Line 250${message}\nContinue with --from-line 250.\n` });
    for (const index of [1, 249]) expect(JSON.parse(await target.call(`/get?key=k:${index}`)).value).toBe(index);
    expect(await target.call("/get?key=k:250")).toBe("null");
  };
  await check("{", ": Not valid JSON.", 2);
  await check("[]", ": Must be a JSON object.", 2);
  await check('{"value":1}', ": A key must be a string, not undefined.", 2);
  await check('{"key":"k"}', ' (key "k"): `value` is missing.', 2);
  await check('{"key":"k","value":1,"ts":"1"}', ' (key "k"): `ts` must be a number.', 2);
  await check(
    '{"key":"k","value":1,"by":" "}',
    ' (key "k"): `by` must have 1 to 64 visible ASCII characters, with spaces only between them.',
    2,
  );
  await check('{"event":"value","action":"delete","key":"k"}', ": `action` must be set.", 2);
  await check(
    '{"event":"export","format":2}',
    ": A newer memx-sdk has made this export. Import it with that version.",
    2,
  );
  // Only memX knows that these are wrong.
  await check(
    '{"key":"k","value":{"a":1,"a":2}}',
    ' (key "k"): The body has an object with two members of the same name.',
    1,
  );
  const schema = '{"event":"schema","key":"k","schema":{"type":"nope"}}';
  const { code, stderr } = await target.cli(["import"], [...file.slice(0, 249), schema, ...file.slice(250)].join("\n"));
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(/^Line 250 \(key "k"\): .+\nContinue with --from-line 250\.\n$/),
  });
  const rest = await target.cli(["import", "--from-line", "250"], file.join("\n"));
  expect(rest).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(await target.call("/keys?limit=1000")).keys).toHaveLength(350);
});

it("refuses a value that the key's own schema forbids", async () => {
  const target = emptyMemory();
  await target.call("/schema", '{"key":"n","schema":{"type":"number"}}');
  const { code, stderr } = await target.cli(["import"], '{"key":"a","value":1}\n{"key":"n","value":"text"}\n');
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(
      /^Line 2 \(key "n"\): The value does not match the key's schema\..*\nContinue with --from-line 2\.\n$/,
    ),
  });
});

it("refuses an export that was cut off", async () => {
  const [source, target] = [emptyMemory(), emptyMemory()];
  for (let index = 0; index < 5; index++) await source.set(`k:${index}`, "1");
  const all = lines((await source.cli(["export"])).stdout);
  const cutOff = { code: 2, stderr: expect.stringContaining("The export was cut off: its last line is missing.") };
  const asPipe = await target.cli(["import"], all.slice(0, -1).join("\n"));
  expect(asPipe).toMatchObject(cutOff);
  const missing = await target.cli(["import"], [...all.slice(0, 2), ...all.slice(3)].join("\n"));
  expect(missing).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("Lines are missing: the export had 5 values and 0 schemas."),
  });

  const untouched = emptyMemory();
  const file = join(sdk.project, "cut-off.ndjson");
  writeFileSync(file, all.slice(0, -1).join("\n"));
  const shell = await run("sh", ["-c", `"$0" "$1" import < "$2"`, process.execPath, sdkCli(), file], {
    cwd: sdk.project,
    env: untouched.env,
  });
  expect(shell).toEqual({
    code: 2,
    stdout: "",
    stderr: "The export was cut off: its last line is missing. Nothing was written.\n",
  });
  expect(await contents(untouched)).toEqual([]);
});

it("says where to continue when it is interrupted", async () => {
  const target = emptyMemory();
  const child = spawn(process.execPath, [sdkCli(), "import"], { env: target.env });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stderr = "";
  child.stderr.on("data", (chunk) => (stderr += chunk));
  const ended = once(child, "exit");
  for (let index = 1; index <= 100; index++) child.stdin.write(`{"key":"k:${index}","value":${index}}\n`);
  await expect.poll(() => target.call("/get?key=k:100")).not.toBe("null");
  child.kill("SIGINT");
  // It ends without another line.
  expect(await ended).toEqual([130, null]);
  expect(stderr).toBe("The import was interrupted.\nContinue with --from-line 101.\n");
});

it("refuses options that do not fit together", async () => {
  const { cli } = emptyMemory();
  const refuse = async (args: string[], message: string) =>
    expect(await cli(["import", ...args], "")).toEqual({ code: 2, stdout: "", stderr: `${message}\n` });
  await refuse(["--overwrite", "--skip-existing"], "--skip-existing and --overwrite exclude each other.");
  await refuse(["--namespace", "a"], "--namespace needs --from-original.");
  await refuse(["--from-line", "0"], "--from-line must be a whole number of at least 1.");
  await refuse(
    ["--from-original", "redis://a", "--from-line", "2"],
    "--from-line and --from-original exclude each other.",
  );
  await refuse(
    ["--from-original", "http://a"],
    "--from-original must be a URL such as redis://127.0.0.1:6379 or rediss://user:password@host.",
  );
});
