// The shared memory of the team. Patient, because an agent has nothing else to do while memX is away.

// Outside of this repository: `npm install memx-sdk`, and import from "memx-sdk".
import { MemX } from "../../sdk/typescript/index.ts";

export const memx = new MemX({ apiKey: process.env.MEMX_API_KEY ?? "agent_key_1", retries: 30 });
