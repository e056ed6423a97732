// JSON that keeps every digit: parses text into nodes that remember the text of each scalar, and prints them again. Accepts
// what memX accepts: RFC 8259, at most 64 levels, no two members of the same name.

export type JsonNode = { readonly start: number; readonly end: number } & (
  | { readonly type: "object"; readonly members: readonly Member[] }
  | { readonly type: "array"; readonly items: readonly JsonNode[] }
  /** `text` is the scalar as it was written, a string with its quotes. */
  | { readonly type: "string" | "number" | "boolean" | "null"; readonly text: string }
);

export type Member = { readonly name: string; readonly node: JsonNode };

export class JsonError extends Error {
  /** Where the text goes wrong, as an index. */
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

const MAX_DEPTH = 64;
const SPACE = /[\t\n\r ]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;

/** @throws {JsonError} */
export function parse(text: string): JsonNode {
  let at = 0;
  const match = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const skipSpace = () => void match(SPACE);
  const fail: (message: string, index?: number) => never = (message, index = at) => {
    throw new JsonError(message, index);
  };
  const take = (character: string) => {
    if (text[at] !== character) return false;
    at++;
    return true;
  };

  const readString = (): { text: string; value: string } => {
    const start = at;
    if (text[at] !== '"') fail("Expected a name in double quotes.");
    let end = at;
    do {
      end = text.indexOf('"', end + 1);
      if (end === -1) fail("This string does not end.", start);
    } while (isEscaped(text, end));
    at = end + 1;
    const found = text.slice(start, at);
    try {
      const value = JSON.parse(found) as string;
      if (value.isWellFormed()) return { text: found, value };
    } catch {
      fail("This string has an invalid escape or a line break. Write it as \\n.", start);
    }
    return fail("Half of a surrogate pair is not valid text.", start);
  };

  const readObject = (start: number, depth: number): JsonNode => {
    const members: Member[] = [];
    const names = new Set<string>();
    skipSpace();
    if (take("}")) return { type: "object", members, start, end: at };
    for (;;) {
      skipSpace();
      const nameStart = at;
      const { value: name } = readString();
      if (names.has(name)) fail(`The name ${JSON.stringify(name)} appears twice in this object.`, nameStart);
      names.add(name);
      skipSpace();
      if (!take(":")) fail("Expected a colon after the name.");
      members.push({ name, node: readNode(depth + 1) });
      skipSpace();
      if (take("}")) return { type: "object", members, start, end: at };
      if (!take(",")) fail("Expected a comma or the end of the object.");
    }
  };

  const readArray = (start: number, depth: number): JsonNode => {
    const items: JsonNode[] = [];
    skipSpace();
    if (take("]")) return { type: "array", items, start, end: at };
    for (;;) {
      items.push(readNode(depth + 1));
      skipSpace();
      if (take("]")) return { type: "array", items, start, end: at };
      if (!take(",")) fail("Expected a comma or the end of the array.");
    }
  };

  const readNode = (depth: number): JsonNode => {
    skipSpace();
    const start = at;
    const first = text[at];
    if (first === "{" || first === "[") {
      if (depth >= MAX_DEPTH) fail(`Must not have more than ${MAX_DEPTH} levels of nesting.`);
      at++;
      return first === "{" ? readObject(start, depth) : readArray(start, depth);
    }
    if (first === '"') return { type: "string", text: readString().text, start, end: at };
    const number = match(NUMBER);
    if (number !== undefined) {
      if (!Number.isFinite(Number(number))) fail("This number does not fit in a 64-bit float.", start);
      return { type: "number", text: number, start, end: at };
    }
    const word = match(WORD);
    if (word !== undefined) return { type: word === "null" ? "null" : "boolean", text: word, start, end: at };
    return fail(first === undefined ? "The text ends too early." : "Expected a JSON value.");
  };

  const node = readNode(0);
  skipSpace();
  if (at < text.length) fail("Expected nothing after the value.");
  return node;
}

/** Whether an odd number of backslashes stands before the index. */
function isEscaped(text: string, index: number): boolean {
  let slashes = 0;
  while (text[index - 1 - slashes] === "\\") slashes++;
  return slashes % 2 === 1;
}

/** Prints the node over several lines. Every scalar stays as it was written. */
export function format(node: JsonNode, indent = ""): string {
  const inner = `${indent}  `;
  if (node.type === "object") {
    if (node.members.length === 0) return "{}";
    const lines = node.members.map(
      ({ name, node: child }) => `${inner}${JSON.stringify(name)}: ${format(child, inner)}`,
    );
    return `{\n${lines.join(",\n")}\n${indent}}`;
  }
  if (node.type === "array") {
    if (node.items.length === 0) return "[]";
    return `[\n${node.items.map((item) => inner + format(item, inner)).join(",\n")}\n${indent}]`;
  }
  return node.text;
}

/** Prints the node without any white space between its parts. */
export function compact(node: JsonNode): string {
  if (node.type === "object") {
    return `{${node.members.map(({ name, node: child }) => `${JSON.stringify(name)}:${compact(child)}`).join(",")}}`;
  }
  if (node.type === "array") return `[${node.items.map(compact).join(",")}]`;
  return node.text;
}

/** The text over several lines; as it is if it is not JSON. */
export function formatText(text: string): string {
  try {
    return format(parse(text));
  } catch {
    return text;
  }
}

/** The node that a JSON Pointer (RFC 6901) names, or the closest one on the way to it. */
export function find(root: JsonNode, pointer: string): JsonNode {
  let node = root;
  for (const step of pointer.split("/").slice(1)) {
    const name = step.replaceAll("~1", "/").replaceAll("~0", "~");
    const next: JsonNode | undefined =
      node.type === "object"
        ? node.members.find((member) => member.name === name)?.node
        : node.type === "array"
          ? node.items[Number(name)]
          : undefined;
    if (!next) break;
    node = next;
  }
  return node;
}

/** The step of a JSON Pointer to a member or item. */
export function step(name: string | number): string {
  return `/${String(name).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** Line and column of an index, both from 1. */
export function placeOf(text: string, index: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, index);
  return { line: before.split("\n").length, column: index - before.lastIndexOf("\n") };
}
