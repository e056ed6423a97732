// Anthropic's memory tool in memX: each file is a key with its text as the value. Every change is a compare-and-set, so
// several agents can share one memory directory. For Anthropic's SDK and for the AI SDK; imports neither.

import { ConflictError } from "../errors.ts";
import type { MemX } from "../memx.ts";
import type { BatchOperation, KeyEntry } from "../types.ts";
import { inBatches } from "./groups.ts";
import {
  insertText,
  type MemoryCommand,
  type MemoryFile,
  missing,
  readPath,
  replaceText,
  viewFile,
  viewFolder,
} from "./memory-texts.ts";
import { decodeSegments, encodeSegment } from "./segments.ts";

export type { MemoryCommand };

/** The handlers that `betaMemoryTool` of Anthropic's SDK takes, and `execute` for the AI SDK's `memory_20250818`. */
export type MemxMemory = {
  readonly [K in MemoryCommand["command"]]: (command: Extract<MemoryCommand, { command: K }>) => Promise<string>;
} & { readonly execute: (command: MemoryCommand) => Promise<string> };

export type MemxMemoryOptions = {
  /** The start of the keys of all files. Agents with the same prefix share their memory. @default "memories/" */
  readonly prefix?: string;
};

/** A file with its key and version. */
type Found = MemoryFile & { readonly key: string; readonly revision: number };

/**
 * Creates a memory for Claude in memX.
 *
 * @example
 * const memory = memxMemory(new MemX(), { prefix: "team/memories/" });
 * const tools = [betaMemoryTool(memory)]; // Anthropic's SDK
 * const tool = anthropic.tools.memory_20250818({ execute: memory.execute }); // AI SDK
 */
export function memxMemory(memx: MemX, { prefix = "memories/" }: MemxMemoryOptions = {}): MemxMemory {
  const keyOf = (segments: readonly string[]) => prefix + segments.map(encodeSegment).join("/");
  const folderStart = (segments: readonly string[]) => (segments.length === 0 ? prefix : `${keyOf(segments)}/`);

  /** Nothing above a file may be a file. */
  const foldersOf = (segments: readonly string[]): BatchOperation[] =>
    segments.slice(0, -1).map((_, at) => ({ op: "check", key: keyOf(segments.slice(0, at + 1)), expect: 0 }));

  function toFile({ key, value, revision }: KeyEntry): Found | undefined {
    const segments = decodeSegments(key.slice(prefix.length));
    if (!segments || segments.includes("") || typeof value !== "string") return undefined;
    return { segments, text: value, key, revision };
  }

  async function readFile(segments: readonly string[]): Promise<Found | undefined> {
    if (segments.length === 0) return undefined;
    const key = keyOf(segments);
    const entry = await memx.get(key);
    return entry ? toFile({ key, ...entry }) : undefined;
  }

  async function readFolder(segments: readonly string[]): Promise<Found[]> {
    const files: (Found | undefined)[] = [];
    for await (const entry of memx.keys({ prefix: folderStart(segments), values: true })) files.push(toFile(entry));
    return files.filter((file) => file !== undefined);
  }

  async function isFolder(segments: readonly string[]): Promise<boolean> {
    if (segments.length === 0) return true;
    for await (const _ of memx.keys({ prefix: folderStart(segments), pageSize: 1 })) return true;
    return false;
  }

  /** Changes the text of a file, again if another agent has changed it meanwhile. */
  async function edit<T extends { path: string }>(command: T, change: (text: string) => string): Promise<void> {
    const segments = readPath(command.path);
    const failure = async () =>
      (await isFolder(segments)) ? new Error(`The path ${command.path} is not a file.`) : missing(command.path);
    if (segments.length === 0) throw await failure();
    await memx.update<unknown>(keyOf(segments), async (text) => {
      if (typeof text !== "string") throw await failure();
      return change(text);
    });
  }

  const memory: Omit<MemxMemory, "execute"> = {
    async view(command) {
      const segments = readPath(command.path);
      const file = await readFile(segments);
      if (file) return viewFile(command, file.text);
      const files = await readFolder(segments);
      if (files.length === 0 && segments.length > 0) throw missing(command.path);
      const inside = files.map((each) => ({ ...each, segments: each.segments.slice(segments.length) }));
      return viewFolder(command.path, inside);
    },

    async create({ path, file_text: value }) {
      const segments = readPath(path);
      const exists = () => new Error(`File ${path} already exists`);
      if (await isFolder(segments)) throw exists();
      const key = keyOf(segments);
      try {
        await memx.batch([...foldersOf(segments), { op: "set", key, value, expect: 0 }]);
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
        throw (await memx.get(key)) ? exists() : new Error(`A part of the path ${path} is a file.`);
      }
      return `File created successfully at: ${path}`;
    },

    async str_replace(command) {
      let message = "";
      await edit(command, (text) => {
        const [next, told] = replaceText(command, text);
        message = told;
        return next;
      });
      return message;
    },

    async insert(command) {
      await edit(command, (text) => insertText(command, text));
      return `The file ${command.path} has been edited.`;
    },

    async delete({ path }) {
      const segments = readPath(path);
      if (segments.length === 0) throw new Error("Cannot delete the /memories directory itself");
      const found = [await readFile(segments), ...(await readFolder(segments))].filter((file) => file !== undefined);
      let deleted = false;
      for (const batch of inBatches(found.map(({ key }) => ({ op: "delete", key })))) {
        const { results } = await memx.batch(batch);
        deleted ||= results.some((result) => result.deleted);
      }
      if (!deleted) throw new Error(`The path ${path} does not exist`);
      return `Successfully deleted ${path}`;
    },

    async rename({ old_path, new_path }) {
      const [from, to] = [readPath(old_path), readPath(new_path)];
      if (from.length === 0) throw new Error("Cannot rename the /memories directory itself");
      for (;;) {
        if ((await readFile(to)) || (await isFolder(to))) throw new Error(`The destination ${new_path} already exists`);
        const file = await readFile(from);
        const files = file ? [file] : await readFolder(from);
        if (files.length === 0) throw new Error(`The path ${old_path} does not exist`);
        if (folderStart(to).startsWith(folderStart(from))) throw new Error(`Cannot move ${old_path} into itself`);
        try {
          await move(files, from, to);
          return `Successfully renamed ${old_path} to ${new_path}`;
        } catch (error) {
          if (!(error instanceof ConflictError)) throw error;
          const blocking = await Promise.all(to.slice(0, -1).map((_, at) => readFile(to.slice(0, at + 1))));
          if (blocking.some((each) => each)) throw new Error(`A part of the path ${new_path} is a file.`);
          // Another agent has changed a file meanwhile.
        }
      }
    },
  };

  /** Moves files in one step, as long as a batch has room for them: about 50 files of 1 MiB together. */
  async function move(files: readonly Found[], from: readonly string[], to: readonly string[]): Promise<void> {
    const moves = files.flatMap(({ key, revision, segments, text }): BatchOperation[] => [
      { op: "set", key: keyOf([...to, ...segments.slice(from.length)]), value: text, expect: 0 },
      { op: "delete", key, expect: revision },
    ]);
    for (const batch of inBatches([...foldersOf(to), ...moves])) await memx.batch(batch);
  }

  return {
    ...memory,
    execute: (command) => {
      const run = memory[command.command] as ((command: MemoryCommand) => Promise<string>) | undefined;
      if (!run) return Promise.reject(new Error(`${command.command} not implemented`));
      return run(command);
    },
  };
}
