// SynthesizerAgent makes a summary of the best sentences of the results, and a final summary with the Explorer's
// follow-up. It writes no words of its own: a language model would replace `summarize`.

import { type Hit, overlap } from "./search.ts";
import { attend } from "./team.ts";

await attend(async (board) => {
  const results = board.get("memx:search_results:0");
  if (!results || !board.get("memx:thoughts:0")) return;
  const { run } = results;
  const best = pick(results.hits, 4);

  if (!board.get("memx:summary")) {
    await board.set("memx:summary", { ...summarize(best), final: false, run });
    console.log(`wrote a first summary of ${best.length} sentences`);
  }

  const followUp = board.get("memx:thoughts:1");
  if (followUp && !board.answered) {
    const all = pick([...best, ...followUp.hits], best.length + followUp.hits.length);
    await board.set("memx:summary", { ...summarize(all), final: true, run });
    console.log(`wrote the final summary of ${all.length} sentences`);
  }
});

/** Returns the first sentences that do not repeat an earlier one. */
function pick(hits: readonly Hit[], limit: number): Hit[] {
  const picked: Hit[] = [];
  for (const hit of hits) {
    if (picked.length < limit && picked.every(({ text }) => overlap(text, hit.text) < 0.5)) picked.push(hit);
  }
  return picked;
}

function summarize(hits: readonly Hit[]): { text: string; sources: string[] } {
  return { text: hits.map(({ text }) => text).join(" "), sources: [...new Set(hits.map(({ source }) => source))] };
}
