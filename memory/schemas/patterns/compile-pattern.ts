// Matches a regular expression in time linear in the text, by following all its alternatives at once (Thompson 1968).
// The platform's engine backtracks, and hostile patterns take it exponential time. Says only whether the text matches.

import { WorkMeter } from "../work-meter.ts";
import { type Look, PatternError, type PatternTree, parsePattern } from "./parse-pattern.ts";

export type Pattern = {
  /** Steps of the program. They bound its memory, and the work that one character of text can cost. */
  readonly size: number;
  /** Whether the pattern matches anywhere in the text. It reports its work to `spend`, which may throw to end it. */
  test(text: string, spend: (steps: number) => void): boolean;
};

/** Steps. Allows `^.{1,4000}$`. check-schema.ts bounds the total for a schema. */
export const MAX_PATTERN_SIZE = 8_192;
/** Characters of a pattern, or steps of its program, that can be written in one step of work. */
const WRITTEN_IN_A_STEP = 4;
/** Steps of work to find out which characters a set has. */
const WORK_OF_A_SET = 8;
/** Lookarounds of one pattern. Each takes a byte per character of text. */
const MAX_LOOKS = 16;

type CharTest = (code: number) => boolean;
type Step =
  | { readonly op: "char"; readonly test: CharTest }
  | { readonly op: "split"; readonly first: number; readonly second: number }
  | { readonly op: "assert"; readonly test: (text: string, index: number, looks: LookResults) => boolean }
  | { readonly op: "match" };
type LookResults = ReadonlyMap<Look, Uint8Array>;

/**
 * @throws {WorkExceeded}
 * @throws {PatternError} if the pattern cannot be matched within bounds
 * @throws {SyntaxError} if the source is not a regular expression
 */
export function compilePattern(source: string, meter = new WorkMeter()): Pattern {
  meter.spend(4 + source.length / WRITTEN_IN_A_STEP);
  new RegExp(source, "u");
  const tree = parsePattern(source);
  const size = sizeOf(tree);
  if (size > MAX_PATTERN_SIZE) {
    throw new PatternError(`Must not have more than ${MAX_PATTERN_SIZE} steps when its repeats are written out.`);
  }
  meter.spend(size / WRITTEN_IN_A_STEP);
  const sets = new CharSets(meter);
  const looks = looksIn(tree);
  if (looks.length > MAX_LOOKS) throw new PatternError(`Must not have more than ${MAX_LOOKS} lookarounds.`);
  const lookPrograms = looks.map((look) => ({ look, program: writeProgram(look.item, !look.behind, sets) }));
  const program = writeProgram(tree, false, sets);
  const anchored = tree.kind === "sequence" && tree.items[0]?.kind === "position" && tree.items[0].source === "^";

  return {
    size: lookPrograms.reduce((sum, { program }) => sum + program.length, program.length),
    test(text, spend) {
      const results = new Map<Look, Uint8Array>();
      for (const { look, program } of lookPrograms) {
        const holds = new Uint8Array(text.length + 1).fill(look.negative ? 1 : 0);
        run(program, text, { backward: !look.behind, anchored: false, looks: results, spend }, (index) => {
          holds[index] = look.negative ? 0 : 1;
          return false;
        });
        results.set(look, holds);
      }
      return run(program, text, { backward: false, anchored, looks: results, spend }, () => true);
    },
  };
}

function sizeOf(tree: PatternTree): number {
  switch (tree.kind) {
    case "sequence":
    case "choice":
      return tree.items.reduce((sum, item) => sum + sizeOf(item) + 1, 1);
    case "repeat":
      return (sizeOf(tree.item) + 1) * (tree.max === Infinity ? tree.min + 1 : Math.max(tree.max, 1));
    case "look":
      return sizeOf(tree.item) + 1;
    default:
      return 1;
  }
}

/** Inner lookarounds first, so that their results are known before the one around them runs. */
function looksIn(tree: PatternTree): readonly Look[] {
  switch (tree.kind) {
    case "sequence":
    case "choice":
      return tree.items.flatMap(looksIn);
    case "repeat":
      return looksIn(tree.item);
    case "look":
      return [...looksIn(tree.item), tree];
    default:
      return [];
  }
}

function writeProgram(tree: PatternTree, backward: boolean, sets: CharSets): readonly Step[] {
  const steps: Step[] = [];

  /** Runs `body` or skips it; `again` makes it a loop. */
  function optional(body: () => void, again: boolean): void {
    const split = steps.push({ op: "match" }) - 1;
    body();
    if (again) steps.push({ op: "split", first: split, second: split });
    steps[split] = { op: "split", first: split + 1, second: steps.length };
  }

  function write(part: PatternTree): void {
    switch (part.kind) {
      case "set":
        steps.push({ op: "char", test: sets.test(part.source) });
        return;
      case "position":
        steps.push({ op: "assert", test: POSITIONS[part.source] });
        return;
      case "look":
        steps.push({ op: "assert", test: (_text, index, looks) => looks.get(part)?.[index] === 1 });
        return;
      case "sequence":
        for (const item of backward ? part.items.toReversed() : part.items) write(item);
        return;
      case "choice": {
        const exits: number[] = [];
        for (const [index, item] of part.items.entries()) {
          const split = steps.length;
          if (index < part.items.length - 1) steps.push({ op: "match" });
          write(item);
          if (index < part.items.length - 1) {
            exits.push(steps.push({ op: "match" }) - 1);
            steps[split] = { op: "split", first: split + 1, second: steps.length };
          }
        }
        for (const exit of exits) steps[exit] = { op: "split", first: steps.length, second: steps.length };
        return;
      }
      case "repeat":
        for (let n = 0; n < part.min; n++) write(part.item);
        if (part.max === Infinity) optional(() => write(part.item), true);
        else for (let n = part.min; n < part.max; n++) optional(() => write(part.item), false);
    }
  }

  write(tree);
  steps.push({ op: "match" });
  return steps;
}

const isWord = (text: string, index: number) => /\w/.test(text.charAt(index));
const POSITIONS = {
  "^": (_text: string, index: number) => index === 0,
  $: (text: string, index: number) => index === text.length,
  "\\b": (text: string, index: number) => isWord(text, index - 1) !== isWord(text, index),
  "\\B": (text: string, index: number) => isWord(text, index - 1) === isWord(text, index),
};

/** The tests for characters that one pattern uses. */
class CharSets {
  readonly #tests = new Map<string, CharTest>();
  readonly #meter: WorkMeter;

  constructor(meter: WorkMeter) {
    this.#meter = meter;
  }

  test(source: string): CharTest {
    let test = this.#tests.get(source);
    if (!test) {
      test = this.#create(source);
      this.#tests.set(source, test);
    }
    return test;
  }

  #create(source: string): CharTest {
    const [character, more] = source;
    if (more === undefined && character !== undefined && character !== ".") {
      const only = character.codePointAt(0);
      return (code) => code === only;
    }
    this.#meter.spend(WORK_OF_A_SET);
    const one = new RegExp(`^${source}$`, "u");
    const ascii = Uint8Array.from({ length: 128 }, (_, code) => Number(one.test(String.fromCharCode(code))));
    return (code) => (code < 128 ? ascii[code] === 1 : one.test(String.fromCodePoint(code)));
  }
}

/** Tries the program at every position, and calls `found` with the end of each match until `found` returns true. */
function run(
  program: readonly Step[],
  text: string,
  options: { backward: boolean; anchored: boolean; looks: LookResults; spend: (steps: number) => void },
  found: (index: number) => boolean,
): boolean {
  const { backward, anchored, looks, spend } = options;
  const seenAt = new Int32Array(program.length).fill(-1);
  let pending: number[] = [0];
  spend(program.length / 32);
  for (let index = backward ? text.length : 0; ; ) {
    const code = (backward ? codePointBefore(text, index) : text.codePointAt(index)) ?? -1;
    const next: number[] = [];
    let steps = 1;
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      if (seenAt[at] === index) continue;
      seenAt[at] = index;
      steps += code < 128 ? 1 : 8;
      const step = program[at] as Step;
      if (step.op === "char") {
        if (code >= 0 && step.test(code)) next.push(at + 1);
      } else if (step.op === "split") {
        pending.push(step.second, step.first);
      } else if (step.op === "match") {
        if (found(index)) return true;
      } else if (step.test(text, index, looks)) {
        pending.push(at + 1);
      }
    }
    spend(steps);
    if (code < 0 || (anchored && next.length === 0)) return false;
    const width = code > 0xffff ? 2 : 1;
    index += backward ? -width : width;
    if (!anchored) next.push(0);
    pending = next;
  }
}

function codePointBefore(text: string, index: number): number | undefined {
  const pair = index > 1 ? text.codePointAt(index - 2) : undefined;
  return pair !== undefined && pair > 0xffff ? pair : index > 0 ? text.charCodeAt(index - 1) : undefined;
}
