// ExplorerAgent searches the corpus for the question. After the first summary, it searches for what that summary leaves
// open.

import { join } from "node:path";
import { overlap, readCorpus, search } from "./search.ts";
import { attend } from "./team.ts";

const corpus = await readCorpus(join(import.meta.dirname, "corpus"));

await attend(async (board) => {
  const query = board.get("memx:query");
  const context = board.get("memx:context");
  if (!query || !context) return;
  const { run } = query;

  let results = board.get("memx:search_results:0");
  if (!results) {
    results = { hits: search(query.question, corpus, 8), sentences_searched: corpus.length, run };
    await board.set("memx:search_results:0", results);
    console.log(`found ${results.hits.length} of ${corpus.length} sentences for the question`);
  }

  if (!board.get("memx:thoughts:0")) {
    const sources = new Set(results.hits.map(({ source }) => source));
    const best = results.hits[0];
    const thought = best
      ? `${sources.size} texts are about the question, most of all ${best.source}: ${best.text}`
      : "No text is about the question.";
    await board.set("memx:thoughts:0", { thought, run });
  }

  const summary = board.get("memx:summary");
  if (summary && !board.get("memx:thoughts:1")) {
    // A concern is open while the summary has less than half of its terms.
    const open = context.concerns.filter((concern) => overlap(concern, summary.text) < 0.5);
    const hits = open.flatMap((concern) => search(concern, corpus, 1));
    const thought = open.length
      ? `The summary says too little about: ${open.join("; ")}.`
      : "The summary covers every concern.";
    await board.set("memx:thoughts:1", { thought, hits, run });
    console.log(`followed up: ${thought}`);
  }
});
