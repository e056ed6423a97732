// Random commands on memX's memory tool, compared with the file implementation of Anthropic's SDK. The two differ where a file
// system shows through: the sizes of folders, folders without files, and errors with a code of the system.

import { mkdtemp, readdir, rm, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BetaLocalFilesystemMemoryTool } from "@anthropic-ai/sdk/tools/memory/node";
import { expect, it, onTestFinished } from "vitest";
import { type MemoryCommand, memxMemory } from "../../sdk/typescript/adapters/anthropic.ts";
import { amount } from "../support/long-runs.ts";
import { createRandom, type Random } from "../support/random.ts";
import { connect, ENGINES, inParallel, startEngine } from "./support/engines.ts";

const SEQUENCES = Array.from({ length: amount(60, 500) }, (_, n) => n);
const COMMANDS = 16;

const NAMES = ["a", "b", "notes.txt", "ü 😀", ".hidden", "node_modules", "100%", "[x]*"];
const TEXTS = [
  "",
  "one",
  "one\ntwo\nthree\n",
  "x\nx y x\r\n\nlast",
  "same\nsame",
  "$& $1 \\",
  "ü".repeat(700),
  "k".repeat(3000),
];
const PIECES = ["one", "x", "same", "two", "ü", "", "nowhere", "$&"];

it.each(ENGINES)(`${SEQUENCES.length} random sequences, on the %s store`, { tags: ["long"] }, async (engine) => {
  const memx = connect(await startEngine(engine));
  const folder = await mkdtemp(join(tmpdir(), "memx-memory-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const seen = new Set<string>();
  await inParallel(SEQUENCES, 4, async (sequence) => {
    const random = createRandom(`memory ${sequence}`);
    const ours = memxMemory(memx, { prefix: `m${sequence}/` });
    const root = join(folder, String(sequence));
    const theirs = await BetaLocalFilesystemMemoryTool.init(root);
    for (let n = 0; n < COMMANDS; n++) {
      const command = randomCommand(random);
      const expected = await outcome(() => theirs[command.command](command as never));
      const found = await outcome(() => ours.execute(command));
      expect(comparable(found, expected), `sequence ${sequence}: ${JSON.stringify(command)}`).toEqual(
        comparable(expected, expected),
      );
      seen.add(`${command.command} ${expected.error ? "fails" : "works"}`);
      await removeEmptyFolders(join(root, "memories"));
    }
    const all = { command: "view", path: "/memories" } as const;
    const expected = await outcome(() => theirs.view(all));
    expect(comparable(await outcome(() => ours.view(all)), expected)).toEqual(comparable(expected, expected));
  });
  const kinds = ["view", "create", "str_replace", "insert", "delete", "rename"];
  expect([...seen].sort()).toEqual(kinds.flatMap((kind) => [`${kind} fails`, `${kind} works`]).sort());
});

type Outcome = { readonly text: string; readonly error: boolean };

async function outcome(run: () => Promise<string>): Promise<Outcome> {
  try {
    return { text: await run(), error: false };
  } catch (error) {
    return { text: (error as Error).message, error: true };
  }
}

function comparable({ text, error }: Outcome, expected: Outcome): Outcome {
  // For example ENOTDIR, if a part of the path is a file.
  if (expected.error && /^E[A-Z]+:/.test(expected.text)) return { text: "", error };
  if (!text.startsWith("Here're")) return { text, error };
  const [header, , ...items] = text.split("\n");
  return {
    text: [header, ...items.map((item) => (item.endsWith("/") ? item.replace(/^\S+/, "") : item))].join("\n"),
    error,
  };
}

async function removeEmptyFolders(folder: string, isRoot = true): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries) if (entry.isDirectory()) await removeEmptyFolders(join(folder, entry.name), false);
  if (!isRoot && (await readdir(folder)).length === 0) await rmdir(folder);
}

function randomCommand(random: Random): MemoryCommand {
  const path = randomPath(random);
  switch (
    random.pick([
      "view",
      "create",
      "create",
      "create",
      "str_replace",
      "str_replace",
      "insert",
      "delete",
      "rename",
      "rename",
    ])
  ) {
    case "view": {
      const range = random.chance(0.4) ? { view_range: [random.integer(-1, 4), random.integer(-1, 5)] } : {};
      return { command: "view", path, ...range };
    }
    case "create":
      return { command: "create", path, file_text: random.pick(TEXTS) };
    case "str_replace":
      return { command: "str_replace", path, old_str: random.pick(PIECES), new_str: random.pick(TEXTS) };
    case "insert":
      return { command: "insert", path, insert_line: random.integer(-1, 6), insert_text: random.pick(TEXTS) };
    case "delete":
      return { command: "delete", path };
    default:
      return { command: "rename", old_path: path, new_path: randomPath(random) };
  }
}

function randomPath(random: Random): string {
  const names = random.chance(0.8) ? NAMES.slice(0, 3) : NAMES;
  const path = [
    "/memories",
    ...Array.from({ length: random.chance(0.1) ? 0 : random.integer(1, 3) }, () => random.pick(names)),
  ].join("/");
  return random.chance(0.9) ? path : random.pick([`${path}/`, `${path}/./c/..`, "/memories/../etc", "/elsewhere"]);
}
