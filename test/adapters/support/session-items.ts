// Prints the items of a session, and adds one, for the tests of the Python adapter. Arguments: the URL of memX, the prefix, the id.

import { MemxSession } from "../../../sdk/typescript/adapters/openai-agents.ts";
import { MemX } from "../../../sdk/typescript/index.ts";

const [baseUrl = "", prefix = "", sessionId = ""] = process.argv.slice(2);
using memx = new MemX({ apiKey: "local_dev_key", baseUrl });
const session = new MemxSession(memx, { sessionId, prefix });
console.log(JSON.stringify(await session.getItems()));
await session.addItems([{ role: "user", content: "from TypeScript" }]);
