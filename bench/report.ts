// Formats results as Markdown tables, for the terminal and for docs/performance.md.

import { readFileSync, writeFileSync } from "node:fs";
import type { CallRates } from "./connect.ts";
import type { Cost } from "./cost.ts";
import type { Delivery } from "./delivery.ts";
import type { Growth } from "./growth.ts";
import { relayTables } from "./measure-relays.ts";
import { OPERATIONS } from "./operations.ts";
import type { Results } from "./results.ts";
import { median } from "./statistics.ts";
import { judge } from "./targets.ts";
import type { Rates } from "./throughput.ts";

/** The tables by their names in docs/performance.md. */
export function tables(results: Results): Map<string, string> {
  const made = new Map([
    ["machine", machineTable(results)],
    ["targets", targetTable(results)],
  ]);
  if (results.throughput) made.set("throughput", throughputTable(results.throughput));
  if (results.connect) {
    made.set("connect-get", connectTable(results.connect, "get"));
    made.set("connect-set", connectTable(results.connect, "set"));
  }
  if (results.delivery) {
    const { delivery } = results;
    const last = ({ lastMs }: Delivery) => lastMs;
    made.set("delivery", deliveryTable(delivery, "ms until the last of N subscribers has it, N =", last));
    const cpu = ({ serverMicros }: Delivery) => serverMicros;
    made.set("delivery-cpu", deliveryTable(delivery, "server CPU µs per message and subscriber, N =", cpu));
  }
  if (results.resume) made.set("resume", resumeTable(results.resume));
  if (results.calls) made.set("calls", callTable(results.calls));
  if (results.size || results.sockets || results.growth) made.set("size", sizeTable(results));
  if (results.relays) made.set("relays", relayTables(results.relays));
  if (results.growth) made.set("growth", growthTable(results.growth));
  return made;
}

/**
 * Puts the tables between their markers in a page.
 * @throws {Error} if the page has no place for a table
 */
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

function machineTable({ machine, connections }: Results): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${machine.date}, ${machine.processors}, ${machine.memoryGiB} GiB, ${machine.system}; load before: ${machine.loadBefore.toFixed(2)}`,
    `${versions.join(", ")}; ${connections} connections`,
  ].join("  \n");
}

function targetTable(results: Results): string {
  const rows = judge(results).map(({ what, measured, byCpu, bound, reached }) => [
    what,
    bound,
    measured === undefined ? "not measured" : short(measured),
    byCpu === undefined ? "" : short(byCpu),
    reached === undefined ? "" : reached ? "reached" : "**not reached**",
  ]);
  return table(["ratio", "target", "measured", "by CPU time", ""], rows);
}

function throughputTable(all: readonly Rates[]): string {
  const rows = OPERATIONS.flatMap(({ name, what }) =>
    all.filter(({ operation }) => operation === name).map((rates) => [what, rates.contestant, ...costOf(rates)]),
  );
  return table(["operation", "on", ...COST], rows);
}

const COST = ["a second", "p50 ms", "p99 ms", "server CPU µs", "with Redis µs", "load CPU µs"];

function costOf(cost: Cost): string[] {
  return [
    count(median(cost.perSecond)),
    short(median(cost.p50Ms)),
    short(median(cost.p99Ms)),
    micros(median(cost.serverMicros)),
    micros(median(cost.allMicros)),
    micros(median(cost.loadMicros)),
  ];
}

/** Rows that are compared, with as many calls in flight, stand together. */
function connectTable(all: readonly CallRates[], operation: "get" | "set"): string {
  const rows = all
    .filter((rates) => rates.operation === operation)
    .map((rates) => [rates.contestant, rates.way, `${rates.connections} × ${rates.inFlight}`, ...costOf(rates)]);
  return table([`${operation}, on`, "by", "connections × in flight", ...COST], rows);
}

function deliveryTable(all: readonly Delivery[], head: string, of: (delivery: Delivery) => readonly number[]): string {
  const sizes = [...new Set(all.map(({ subscribers }) => subscribers))].toSorted((a, b) => a - b);
  const feeds = [...new Set(all.map(({ contestant, feed }) => `${contestant}, ${feed}`))];
  const rows = feeds.map((name) => [
    name,
    ...sizes.map((size) => {
      const found = all.find(
        (result) => `${result.contestant}, ${result.feed}` === name && result.subscribers === size,
      );
      return found ? short(median(of(found))) : "";
    }),
  ]);
  return table([head, ...sizes.map(count)], rows);
}

function resumeTable(all: NonNullable<Results["resume"]>): string {
  const rows = all.map(({ contestant, feed, ms }) => [contestant, feed, short(median(ms))]);
  return table(["1,000 missed changes, on", "by", "ms"], rows);
}

function callTable(all: NonNullable<Results["calls"]>): string {
  const names = [...new Set(all.map(({ what }) => what))];
  const rows = names.map((name) => {
    const of = (contestant: string) => all.find((calls) => calls.what === name && calls.contestant === contestant);
    const [embedded, redis] = [of("memX embedded"), of("memX on Redis")];
    return [
      name,
      exact(embedded?.durableObjectCalls),
      exact(redis?.durableObjectCalls),
      exact(redis?.redisRequests),
      exact(redis?.redisCommands),
      exact(embedded?.storeRows),
      exact(embedded?.channelRows),
      exact(redis?.channelRows),
    ];
  });
  return table(
    [
      ...[
        "one operation",
        "object calls, embedded",
        "object calls, Redis",
        "requests to Redis",
        "commands in the scripts",
      ],
      ...["rows, embedded", "rows of channels, embedded", "rows of channels, Redis"],
    ],
    rows,
  );
}

function sizeTable({ size, sockets, growth = [] }: Results): string {
  const rows: string[][] = [];
  if (size) {
    rows.push(["the bundle without MCP", `${kib(size.bundleBytes)} KiB; gzip ${kib(size.bundleGzipBytes)} KiB`]);
    rows.push(["the module of MCP", `${kib(size.mcpBytes)} KiB; gzip ${kib(size.mcpGzipBytes)} KiB`]);
    rows.push(["from start to the first response", `${short(size.startMs)} ms`]);
  }
  for (const { feed, contestant, bytesPerSocket } of sockets ?? []) {
    rows.push([`memory of an idle socket: ${contestant}, ${feed}`, `${kib(bytesPerSocket)} KiB`]);
  }
  for (const contestant of new Set(growth.map((result) => result.contestant))) {
    const all = growth.filter((result) => result.contestant === contestant);
    const [small, large] = [all[0], all.at(-1)];
    if (small === undefined || large === undefined) continue;
    const each = (of: (result: Growth) => number) => count((of(large) - of(small)) / (large.keys - small.keys));
    rows.push([`memory of a key: ${contestant}`, `${each((result) => result.memxBytes + result.redisBytes)} bytes`]);
    rows.push([`disk of a key: ${contestant}`, `${each((result) => result.diskBytes)} bytes`]);
  }
  return table(["what", "how much"], rows);
}

function growthTable(all: NonNullable<Results["growth"]>): string {
  const rows = all.map((growth) => [
    growth.contestant,
    count(growth.keys),
    count(growth.getPerSecond),
    growth.getRatio.toFixed(2),
    count(growth.setPerSecond),
    growth.setRatio.toFixed(2),
    mib(growth.memxBytes),
    growth.redisBytes ? mib(growth.redisBytes) : "",
    mib(growth.diskBytes),
  ]);
  return table(
    ["on", "keys", "gets a second", "× small", "sets a second", "× small", "memX MiB", "Redis MiB", "disk MiB"],
    rows,
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) => `| ${widths.map((width, n) => (row[n] ?? "").padEnd(width)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

/** Three significant digits. */
function short(number: number): string {
  return number >= 100 ? count(number) : number.toPrecision(3);
}

const micros = (number: number) => (number < 10 ? number.toFixed(1) : count(number));

function count(number: number): string {
  return Math.round(number).toLocaleString("en-US");
}

const exact = (number = Number.NaN) => String(Math.round(number * 100) / 100);
const kib = (bytes: number) => (bytes / 1024).toFixed(1);
const mib = (bytes: number) => (bytes / 1024 ** 2).toFixed(1);
