// The shared memory of the team. It retries often, because an agent has nothing else to do while memX is unavailable. Each
// agent writes under the name of its program.

import { basename } from "node:path";
// Outside this repository, install memx-sdk and import from "memx-sdk".
import { MemX } from "../../sdk/typescript/index.ts";

export const memx = new MemX({
  apiKey: process.env.MEMX_API_KEY ?? "agent_key_1",
  agent: basename(process.argv[1] ?? "agent", "-agent.ts"),
  retries: 30,
});
