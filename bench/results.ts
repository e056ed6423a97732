// What a run comes to: the JSON file that it writes, from which tables and plots are made. A part that was not asked for is absent.

import type { Delivery } from "./delivery.ts";
import type { Machine } from "./machine.ts";
import type { Rates } from "./throughput.ts";

export type Results = {
  readonly machine: Machine;
  readonly connections: number;
  throughput?: Rates[];
  delivery?: Delivery[];
};
