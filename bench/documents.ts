// Puts a run into a page that people write: tables between its markers, the numbers in a folder beside it. What a run did not
// measure stays as it was, so that a part can be measured again.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tables } from "./report.ts";
import type { Results } from "./results.ts";

/** Writes the numbers of each round into a folder. */
export function writeResults(results: Results, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const digits = (_: string, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(5)) : value);
  writeFileSync(join(folder, "results.json"), `${JSON.stringify(results, digits, 1)}\n`);
}

/** With what was measured of the rest before. */
export function withEarlier(results: Results, folder: string): Results {
  const file = join(folder, "results.json");
  return existsSync(file) ? { ...JSON.parse(readFileSync(file, "utf8")), ...results } : results;
}

/** @throws where the page has no place for a table */
export function rewritePage(page: string, results: Results): void {
  let text = readFileSync(page, "utf8");
  for (const [name, table] of tables(results)) {
    const [begin, end] = [`<!-- bench: ${name} -->`, "<!-- end -->"];
    const from = text.indexOf(begin);
    const to = text.indexOf(end, from);
    if (from === -1 || to === -1) throw new Error(`${page} has no ${begin} … ${end}`);
    text = `${text.slice(0, from + begin.length)}\n${table}\n${text.slice(to)}`;
  }
  writeFileSync(page, text);
}
