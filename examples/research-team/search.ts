// A small search: ranks every sentence of the corpus by its TF-IDF cosine similarity with the query. It has no model,
// no index and no memory of earlier queries.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

export interface Sentence {
  readonly text: string;
  /** File name without its extension. */
  readonly source: string;
}

export interface Hit extends Sentence {
  /** Cosine similarity with the query, 0 to 1. */
  readonly score: number;
}

/** Reads every sentence of the `.txt` files in a folder, without the first line of each file, which is its title. */
export async function readCorpus(folder: string): Promise<Sentence[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".txt")).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  return texts.flatMap((text, i) => {
    const body = text.slice(text.indexOf("\n")).replace(/\s+/g, " ").trim();
    const source = (names[i] ?? "").replace(/\.txt$/, "");
    return body.split(/(?<=[.!?]) (?=[A-Z])/).map((sentence) => ({ text: sentence, source }));
  });
}

/** Returns the sentences that share terms with the query, best first. */
export function search(query: string, sentences: readonly Sentence[], limit: number): Hit[] {
  const documents = sentences.map(({ text }) => terms(text));
  const spread = new Map<string, number>();
  for (const document of documents) for (const term of new Set(document)) spread.set(term, (spread.get(term) ?? 0) + 1);

  /** A term has more weight if this document uses it often, and if few sentences use it. */
  const weigh = (document: readonly string[]) => {
    const weights = new Map<string, number>();
    for (const term of document) {
      const rarity = Math.log(1 + sentences.length / (spread.get(term) ?? sentences.length));
      weights.set(term, (weights.get(term) ?? 0) + rarity);
    }
    return weights;
  };

  const wanted = weigh(terms(query));
  return sentences
    .map((sentence, i) => ({ ...sentence, score: Number(cosine(wanted, weigh(documents[i] ?? [])).toFixed(3)) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, limit);
}

/** The share of terms that two texts have in common, 0 to 1. */
export function overlap(a: string, b: string): number {
  const [left, right] = [new Set(terms(a)), new Set(terms(b))];
  return left.intersection(right).size / Math.max(1, Math.min(left.size, right.size));
}

/** The words that carry meaning, in lower case and without the most common English endings. */
export function terms(text: string): string[] {
  const words = text.toLowerCase().match(/[a-z][a-z0-9]+/g) ?? [];
  return words
    .filter((word) => !STOP_WORDS.has(word))
    .map((word) => word.replace(/(?<=...)(ies|y|ing|ed|es|s|e)$/, ""));
}

function cosine(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): number {
  const length = (v: ReadonlyMap<string, number>) => Math.hypot(...v.values());
  let product = 0;
  for (const [term, weight] of a) product += weight * (b.get(term) ?? 0);
  return product === 0 ? 0 : product / (length(a) * length(b));
}

const STOP_WORDS = new Set(
  `a about after all also an and any are as at be because been before between both but by can could do does each even for
  from had has have how if in into is it its itself many may more most much must no nor not of often on one only or other
  our out over own rather same should so some still such than that the their them then there these they this those to too
  under up us use used uses using very was we were what when where which while who why will with within without would you`.split(
    /\s+/,
  ),
);
