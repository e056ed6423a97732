// A simple model of RFC 6902: each operation makes a new value from the old one.

import { fraction, isObject, type Meaning, NumberText, sameFraction } from "./json-texts.ts";

export class ModelRefusal extends Error {
  readonly code: "invalid_request" | "conflict";
  constructor(code: "invalid_request" | "conflict") {
    super(code);
    this.code = code;
  }
}

type Operation = { op: string; path: string; from: string; value: Meaning };

export function patchMeaning(value: Meaning, patch: Meaning): Meaning {
  const operations = patch as unknown as Operation[];
  if (operations.some(({ op, path, from }) => op === "move" && path.startsWith(`${from}/`))) {
    throw new ModelRefusal("invalid_request");
  }
  const result = operations.reduce(step, value as Meaning | undefined);
  if (result === undefined) throw new ModelRefusal("invalid_request");
  return result;
}

function step(value: Meaning | undefined, { op, path, from, ...rest }: Operation): Meaning | undefined {
  switch (op) {
    case "add":
      return add(value, tokens(path), rest.value);
    case "remove":
      return remove(value, tokens(path));
    case "replace":
      return change(value, tokens(path), (old) => {
        need(old !== undefined);
        return rest.value;
      });
    case "move":
      return add(remove(value, tokens(from)), tokens(path), find(value, tokens(from)));
    case "copy":
      return add(value, tokens(path), find(value, tokens(from)));
    default:
      need(same(find(value, tokens(path)), rest.value));
      return value;
  }
}

function tokens(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((token) => token.replace(/~[01]/g, (escaped) => (escaped === "~1" ? "/" : "~")));
}

function find(value: Meaning | undefined, path: string[]): Meaning {
  let found: Meaning | undefined;
  change(value, path, (old) => {
    need(old !== undefined);
    found = old;
    return old;
  });
  return found as Meaning;
}

function add(value: Meaning | undefined, path: string[], added: Meaning): Meaning | undefined {
  const last = path.at(-1);
  if (last === undefined) return added;
  return change(value, path.slice(0, -1), (parent) => {
    if (isObject(parent)) return withMember(parent, last, added);
    need(Array.isArray(parent));
    const index = last === "-" ? parent.length : indexOf(last);
    need(index <= parent.length);
    return [...parent.slice(0, index), added, ...parent.slice(index)];
  });
}

function remove(value: Meaning | undefined, path: string[]): Meaning | undefined {
  find(value, path);
  const last = path.at(-1);
  if (last === undefined) return undefined;
  return change(value, path.slice(0, -1), (parent) => {
    if (Array.isArray(parent)) return parent.filter((_item, index) => index !== indexOf(last));
    return withoutMember(parent as Members, last);
  });
}

/** Rebuilds the value, with a changed part at `path`. */
function change(
  value: Meaning | undefined,
  path: string[],
  to: (old: Meaning | undefined) => Meaning | undefined,
): Meaning | undefined {
  const [token, ...deeper] = path;
  if (token === undefined) return to(value);
  if (Array.isArray(value)) {
    const index = indexOf(token);
    need(index < value.length);
    return value.map((item, at) => (at === index ? (change(item, deeper, to) as Meaning) : item));
  }
  need(isObject(value));
  need(Object.hasOwn(value, token));
  return withMember(value, token, change(value[token], deeper, to) as Meaning);
}

function same(a: Meaning, b: Meaning): boolean {
  if (a instanceof NumberText && b instanceof NumberText) return sameFraction(fraction(a.text), fraction(b.text));
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, i) => same(item, b[i] ?? null));
  if (!isObject(a) || !isObject(b)) return a === b;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && same(a[name] ?? null, b[name] ?? null))
  );
}

type Members = { [name: string]: Meaning };

function withMember(members: Members, name: string, value: Meaning): Members {
  const made: Members = Object.assign(Object.create(null), members);
  made[name] = value;
  return made;
}

function withoutMember(members: Members, name: string): Members {
  const made: Members = Object.assign(Object.create(null), members);
  delete made[name];
  return made;
}

function indexOf(token: string): number {
  need(String(Number(token)) === token && Number.isInteger(Number(token)) && Number(token) >= 0);
  return Number(token);
}

function need(holds: boolean): asserts holds {
  if (!holds) throw new ModelRefusal("conflict");
}
