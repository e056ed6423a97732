// The results of a run and the JSON file with them. A part that the run did not measure is absent.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Calls } from "./calls.ts";
import type { CallRates } from "./connect.ts";
import type { Delivery } from "./delivery.ts";
import type { Growth } from "./growth.ts";
import type { Machine } from "./machine.ts";
import type { RelayRound } from "./measure-relays.ts";
import type { Resume } from "./resume.ts";
import type { Size } from "./size.ts";
import type { SocketMemory } from "./sockets.ts";
import type { Rates } from "./throughput.ts";

export type Results = {
  readonly machine: Machine;
  readonly connections: number;
  throughput?: Rates[];
  connect?: CallRates[];
  delivery?: Delivery[];
  resume?: Resume[];
  calls?: Calls[];
  size?: Size;
  sockets?: SocketMemory[];
  relays?: RelayRound[];
  growth?: Growth[];
};

/** Writes the numbers of each round into a folder. */
export function writeResults(results: Results, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const digits = (_: string, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(5)) : value);
  writeFileSync(join(folder, "results.json"), `${JSON.stringify(results, digits, 1)}\n`);
}

/** The results, with the parts that only an earlier run measured. */
export function withEarlier(results: Results, folder: string): Results {
  const file = join(folder, "results.json");
  return existsSync(file) ? { ...JSON.parse(readFileSync(file, "utf8")), ...results } : results;
}
