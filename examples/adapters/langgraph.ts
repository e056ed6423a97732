// Two nodes of a LangGraph graph run at once and count in one item. `update` loses no count; another program watches live.

import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
// Outside this repository, install memx-sdk and import from "memx-sdk" and "memx-sdk/langgraph".
import { MemxStore } from "../../sdk/typescript/adapters/langgraph.ts";
import { MemX } from "../../sdk/typescript/index.ts";

using memx = new MemX({ apiKey: process.env.MEMX_API_KEY ?? "local_dev_key" });
const store = new MemxStore(memx);

const State = Annotation.Root({ topic: Annotation<string> });
const search = (source: string) => async () => {
  for (let n = 0; n < 10; n++) {
    await store.update(["report"], "progress", (progress) => ({
      searches: (progress?.searches ?? 0) + 1,
      last: source,
    }));
  }
};
const graph = new StateGraph(State)
  .addNode("web", search("web"))
  .addNode("library", search("library"))
  .addEdge(START, "web")
  .addEdge(START, "library")
  .addEdge("web", END)
  .addEdge("library", END)
  .compile({ store });

await store.delete(["report"], "progress");
const watch = store.watch(["report"]);
await watch.ready;
await graph.invoke({ topic: "memory" });
for await (const { item } of watch) {
  console.log(`${item?.value.searches} searches, the last one in the ${item?.value.last}`);
  if (item?.value.searches === 20) break;
}
