// Copies values with the TypeScript client, for a test that compares it with the Python client: for each line, the JSON
// of two keys, it reads the first and writes what it read to the second.

import { createInterface } from "node:readline";
import { MemX } from "../../../typescript/index.ts";

const memx = new MemX({ apiKey: "local_dev_key", baseUrl: process.argv[2] });
for await (const line of createInterface({ input: process.stdin })) {
  const [from, to] = JSON.parse(line) as [string, string];
  await memx.set(to, (await memx.get(from))?.value);
  console.log("done");
}
memx.close();
