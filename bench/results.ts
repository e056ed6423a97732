// What a run comes to: the JSON file that it writes, from which tables are made. A part that was not asked for is absent.

import type { Calls } from "./calls.ts";
import type { Delivery } from "./delivery.ts";
import type { Growth } from "./growth.ts";
import type { Machine } from "./machine.ts";
import type { Resume } from "./resume.ts";
import type { Size } from "./size.ts";
import type { SocketMemory } from "./sockets.ts";
import type { Rates } from "./throughput.ts";

export type Results = {
  readonly machine: Machine;
  readonly connections: number;
  throughput?: Rates[];
  delivery?: Delivery[];
  resume?: Resume[];
  calls?: Calls[];
  size?: Size;
  sockets?: SocketMemory[];
  growth?: Growth[];
};
