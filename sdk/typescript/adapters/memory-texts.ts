// The texts of Anthropic's memory tool. Claude knows them, so they are those of the tool's reference implementation.

export type MemoryCommand =
  | { command: "view"; path: string; view_range?: number[] | null }
  | { command: "create"; path: string; file_text: string }
  | { command: "str_replace"; path: string; old_str: string; new_str: string }
  | { command: "insert"; path: string; insert_line: number; insert_text: string }
  | { command: "delete"; path: string }
  | { command: "rename"; old_path: string; new_path: string };

type Command<K extends MemoryCommand["command"]> = Extract<MemoryCommand, { command: K }>;

/** A file, by the names of the folders that it is in and its own. */
export type MemoryFile = { readonly segments: readonly string[]; readonly text: string };

const MAX_LINES = 999_999;

export function missing(path: string): Error {
  return new Error(`The path ${path} does not exist. Please provide a valid path.`);
}

/** @throws if the path is outside of /memories */
export function readPath(path: string): string[] {
  if (!path.startsWith("/memories")) throw new Error(`Path must start with /memories, got: ${path}`);
  const segments: string[] = [];
  for (const segment of path.slice("/memories".length).split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment !== "..") segments.push(segment);
    else if (segments.pop() === undefined) throw new Error(`Path ${path} would escape /memories directory`);
  }
  return segments;
}

export function viewFile({ path, view_range: range }: Command<"view">, text: string): string {
  const lines = text.split("\n");
  if (lines.length > MAX_LINES) {
    throw new Error(
      `File ${path} has too many lines (${lines.length}). Maximum is ${MAX_LINES.toLocaleString("en-US")} lines.`,
    );
  }
  const [first, last] = range?.length === 2 ? (range as [number, number]) : [1, -1];
  const start = Math.max(1, first) - 1;
  const shown = lines.slice(start, last === -1 ? lines.length : last);
  return `Here's the content of ${path} with line numbers:\n${numbered(shown, start)}`;
}

/** `files` are those in the folder, with their names from there. */
export function viewFolder(path: string, files: readonly MemoryFile[]): string {
  const header = `Here're the files and directories up to 2 levels deep in ${path}, excluding hidden items and node_modules:`;
  const items = listItems(files, 1).map(([name, size]) => `${size}\t${path}/${name}`);
  return [header, `${sizeOf(files)}\t${path}`, ...items].join("\n");
}

function listItems(files: readonly MemoryFile[], depth: number): [name: string, size: string][] {
  const names = new Set(files.map(({ segments: [name = ""] }) => name));
  const items: [string, string][] = [];
  for (const name of [...names].sort()) {
    if (name.startsWith(".") || name === "node_modules") continue;
    const all = files.filter(({ segments }) => segments[0] === name);
    const own = all.filter(({ segments }) => segments.length === 1);
    const below = all.filter(({ segments }) => segments.length > 1);
    if (own.length > 0) items.push([name, sizeOf(own)]);
    if (below.length === 0) continue;
    items.push([`${name}/`, sizeOf(below)]);
    const inside = below.map(({ segments, text }) => ({ segments: segments.slice(1), text }));
    if (depth < 2)
      items.push(...listItems(inside, depth + 1).map(([each, size]): [string, string] => [`${name}/${each}`, size]));
  }
  return items;
}

/** The size of a folder is that of the files in it. */
function sizeOf(files: readonly MemoryFile[]): string {
  const bytes = files.reduce((sum, { text }) => sum + new TextEncoder().encode(text).length, 0);
  if (bytes === 0) return "0B";
  const power = Math.floor(Math.log(bytes) / Math.log(1024));
  const size = bytes / 1024 ** power;
  return `${size % 1 === 0 ? size : size.toFixed(1)}${"BKMG"[power]}`;
}

/** Returns the new text, and what to tell Claude. */
export function replaceText({ path, old_str, new_str }: Command<"str_replace">, text: string): [string, string] {
  const found = matchingLines(text, old_str);
  const [line = 0] = found;
  if (found.length === 0) {
    throw new Error(`No replacement was performed, old_str \`${old_str}\` did not appear verbatim in ${path}.`);
  }
  if (found.length > 1) {
    throw new Error(
      `No replacement was performed. Multiple occurrences of old_str \`${old_str}\` in lines: ${found.join(", ")}. Please ensure it is unique`,
    );
  }
  const next = text.replace(old_str, () => new_str);
  const start = Math.max(0, line - 3);
  const snippet = numbered(next.split("\n").slice(start, line + 2), start);
  return [
    next,
    `The memory file has been edited. Here is the snippet showing the change (with line numbers):\n${snippet}`,
  ];
}

/** The numbers of the lines with the text. A text of several lines may begin anywhere in a line. */
function matchingLines(text: string, wanted: string): number[] {
  if (!wanted.includes("\n")) {
    return text.split("\n").flatMap((line, index) => (line.includes(wanted) ? [index + 1] : []));
  }
  const found: number[] = [];
  for (let at = text.indexOf(wanted); at !== -1; at = text.indexOf(wanted, at + 1)) {
    found.push(text.slice(0, at).split("\n").length);
  }
  return found;
}

/** Returns the new text. */
export function insertText({ insert_line: at, insert_text }: Command<"insert">, text: string): string {
  const lines = text.split("\n");
  if (at < 0 || at > lines.length) {
    throw new Error(
      `Invalid \`insert_line\` parameter: ${at}. It should be within the range of lines of the file: [0, ${lines.length}]`,
    );
  }
  return lines.toSpliced(at, 0, insert_text.replace(/\n$/, "")).join("\n");
}

function numbered(lines: readonly string[], start: number): string {
  return lines.map((line, index) => `${String(start + index + 1).padStart(6)}\t${line}`).join("\n");
}
