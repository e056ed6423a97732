// Writes and reads items of a LangGraph store, for the tests of the Python one. Arguments: the URL of memX, and JSON with the items
// to write and the places to read. Prints what it reads.

import { MemxStore } from "../../../sdk/typescript/adapters/langgraph.ts";
import { MemX } from "../../../sdk/typescript/index.ts";

type Place = [namespace: string[], key: string];

const [baseUrl = "", input = ""] = process.argv.slice(2);
const { write, read } = JSON.parse(input) as { write: [...Place, Record<string, unknown>][]; read: Place[] };
using memx = new MemX({ apiKey: "local_dev_key", baseUrl });
const store = new MemxStore(memx);
await store.batch(write.map(([namespace, key, value]) => ({ namespace, key, value })));
const items = await Promise.all(read.map(([namespace, key]) => store.get(namespace, key)));
console.log(JSON.stringify(items.map((item) => item?.value ?? null)));
