// Which writes the embedded store commits together.

import { expect, it, vi } from "vitest";
import { GroupCommit } from "../../durable-objects/embedded-store/group-commit.ts";

/** Records the committed groups; `add` resolves when the turn has ended. */
function record() {
  const groups: string[] = [];
  const commit = new GroupCommit<string>((group) => groups.push(group.join("")));
  const add = (...writes: string[]) => {
    for (const write of writes) commit.add(write);
    return Promise.resolve();
  };
  return { groups, add };
}

it("commits a lone write at once, however often one comes", async () => {
  const { groups, add } = record();
  for (const write of "abcdefghij") {
    await add(write);
    expect(groups.at(-1)).toBe(write);
  }
});

it("commits the writes of one turn together", async () => {
  const { groups, add } = record();
  await add("a", "b", "c");
  expect(groups).toEqual(["abc"]);
});

it("commits no more together than the limit allows, and lets other work in between", async () => {
  const groups: string[] = [];
  let turns = 0;
  const commit = new GroupCommit<string>(
    (group) => groups.push(`${group.join("")}${turns}`),
    (write) => (write === "x" ? 100 : 1),
    3,
  );
  const count = () => {
    turns++;
    if (groups.length < 4) setTimeout(count, 0);
  };
  for (const write of "abcdxef") commit.add(write);
  setTimeout(count, 0);
  await vi.waitFor(() => expect(groups.map((group) => group.replace(/\d+/, ""))).toEqual(["abc", "d", "x", "ef"]));
  expect(new Set(groups.map((group) => group.replace(/\D+/, ""))).size).toBeGreaterThan(1);
});

it("waits for as many writes as came together the last time", async () => {
  const { groups, add } = record();
  await add("a", "b", "c");
  await add("d");
  await add("e");
  expect(groups).toEqual(["abc"]);
  await add("f");
  expect(groups).toEqual(["abc", "def"]);
});

it("does not wait forever if fewer writes come, and does not wait the next time", async () => {
  const { groups, add } = record();
  await add("a", "b", "c");
  await add("d");
  await vi.waitFor(() => expect(groups).toEqual(["abc", "d"]));
  await add("e");
  expect(groups).toEqual(["abc", "d", "e"]);
});

it("waits now and then to find another writer, and then commits the writes of both together", async () => {
  const { groups, add } = record();
  for (let n = 0; n < 16; n++) await add("a");
  expect(groups).toHaveLength(16);
  await add("a");
  await add("b");
  expect(groups).toHaveLength(16);
  await vi.waitFor(() => expect(groups.at(-1)).toBe("ab"));
  await add("c");
  expect(groups.at(-1)).toBe("ab");
  await add("d");
  expect(groups.at(-1)).toBe("cd");
});

it("waits ever more rarely if it finds no other writer", async () => {
  const { groups, add } = record();
  let waited = 0;
  for (let n = 0; n < 1_000; n++) {
    await add("a");
    if (groups.length <= n) waited++;
    await vi.waitFor(() => expect(groups).toHaveLength(n + 1));
  }
  // After 16 groups, and then after 32, 64, 128 and 256 more.
  expect(waited).toBe(5);
});

it("commits every write once, in order of arrival", async () => {
  const { groups, add } = record();
  const writes = Array.from({ length: 500 }, (_, n) => String.fromCharCode(0x4e00 + n));
  for (let at = 0; at < writes.length; at += 1 + (at % 7)) await add(...writes.slice(at, at + 1 + (at % 7)));
  await vi.waitFor(() => expect(groups.join("")).toBe(writes.join("")));
});
