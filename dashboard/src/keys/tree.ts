// The keys as a tree: a key is split after each `:` and `/`. Folders and leaves stay sorted as keys come and go, so showing
// 50,000 of them costs one walk over what is open.

import type { Glance } from "../json/describe.ts";

export type Folder = {
  readonly kind: "folder";
  /** The beginning that all its keys share, with the separator at its end. "" for the root. */
  readonly prefix: string;
  readonly label: string;
  /** 1 for what stands at the top. */
  readonly level: number;
  readonly parent: Folder | undefined;
  /** Keys below, at any depth. */
  count: number;
  /** Milliseconds since the epoch of the last change below. */
  changedMs: number;
  readonly children: Child[];
};

export type Leaf = {
  readonly kind: "leaf";
  readonly key: string;
  label: string;
  level: number;
  parent: Folder | undefined;
  revision: number;
  ts: number;
  /** Milliseconds since the epoch of the last live change; 0 if there was none. */
  changedMs: number;
  /** Absent until the value has been read. */
  detail: Detail | undefined;
};

/** What a row shows of a value. */
export type Detail = Glance & {
  readonly revision: number;
  readonly expires: number | undefined;
  readonly by: string | undefined;
};

export type Child = Folder | Leaf;

export function newLeaf(key: string, revision: number, ts: number): Leaf {
  return { kind: "leaf", key, label: key, level: 1, parent: undefined, revision, ts, changedMs: 0, detail: undefined };
}

export class Tree {
  readonly root: Folder = newFolder("", "", undefined);

  add(leaf: Leaf): void {
    const parts = splitKey(leaf.key);
    let folder = this.root;
    folder.count++;
    let prefix = "";
    for (const part of parts.slice(0, -1)) {
      prefix += part;
      folder = openFolder(folder, part, prefix);
      folder.count++;
    }
    leaf.label = parts.at(-1) ?? leaf.key;
    leaf.level = folder.level + 1;
    leaf.parent = folder;
    folder.children.splice(place(folder.children, leaf), 0, leaf);
  }

  remove(leaf: Leaf): void {
    for (let folder = leaf.parent; folder; folder = folder.parent) folder.count--;
    let child: Child = leaf;
    for (let folder = leaf.parent; folder; folder = folder.parent) {
      folder.children.splice(place(folder.children, child), 1);
      if (folder.count > 0) break;
      child = folder;
    }
    leaf.parent = undefined;
  }

  /** The rows in their order: everything whose folders are all open. */
  rows(isOpen: (folder: Folder) => boolean): Child[] {
    const rows: Child[] = [];
    const walk = ({ children }: Folder) => {
      for (const child of children) {
        rows.push(child);
        if (child.kind === "folder" && isOpen(child)) walk(child);
      }
    };
    walk(this.root);
    return rows;
  }
}

/** The position among its siblings, from 1. */
export function positionOf(child: Child): number {
  return child.parent ? place(child.parent.children, child) + 1 : 1;
}

/** Splits after each separator that is not the last character: `a:b/c` is `a:`, `b/`, `c`. */
export function splitKey(key: string): string[] {
  const parts: string[] = [];
  let from = 0;
  for (let at = 0; at < key.length - 1; at++) {
    if (key[at] !== ":" && key[at] !== "/") continue;
    parts.push(key.slice(from, at + 1));
    from = at + 1;
  }
  parts.push(key.slice(from));
  return parts;
}

function openFolder(parent: Folder, label: string, prefix: string): Folder {
  const folder = newFolder(prefix, label, parent);
  const index = place(parent.children, folder);
  const found = parent.children[index];
  if (found?.kind === "folder" && found.prefix === prefix) return found;
  parent.children.splice(index, 0, folder);
  return folder;
}

function newFolder(prefix: string, label: string, parent: Folder | undefined): Folder {
  const level = parent ? parent.level + 1 : 0;
  return { kind: "folder", prefix, label, level, parent, count: 0, changedMs: 0, children: [] };
}

/** Where the child is, or belongs. Keys arrive in order, so the end comes first. */
function place(children: readonly Child[], child: Child): number {
  const last = children.at(-1);
  if (last && compare(last, child) < 0) return children.length;
  let [low, high] = [0, children.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(children[middle] as Child, child) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compare(a: Child, b: Child): number {
  if (a.label !== b.label) return compareLabels(a.label, b.label);
  return a.kind === b.kind ? 0 : a.kind === "folder" ? -1 : 1;
}

const isDigit = (code: number) => code >= 48 && code <= 57;

/** Orders different labels as people do: `2` comes before `10`. */
export function compareLabels(a: string, b: string): number {
  let at = 0;
  while (a.charCodeAt(at) === b.charCodeAt(at)) at++;
  // The number that the first difference is in.
  let start = at;
  while (start > 0 && isDigit(a.charCodeAt(start - 1))) start--;
  const [endA, endB] = [endOfDigits(a, start), endOfDigits(b, start)];
  if (endA > start && endB > start && endA !== endB) {
    const [numberA, numberB] = [Number(a.slice(start, endA)), Number(b.slice(start, endB))];
    if (numberA !== numberB) return numberA < numberB ? -1 : 1;
  }
  return a < b ? -1 : 1;
}

function endOfDigits(text: string, start: number): number {
  let end = start;
  while (isDigit(text.charCodeAt(end))) end++;
  return end;
}
