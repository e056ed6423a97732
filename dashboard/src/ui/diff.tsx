// Two texts as one, with the lines that went and came. Unchanged parts are folded.

import { useMemo, useState } from "preact/hooks";
import { diffLines, foldSame } from "../json/diff.ts";
import { ScrollBox } from "./scroll-box.tsx";

const MARKS = { same: " ", removed: "−", added: "+" } as const;
const WORDS = { same: "", removed: "Removed: ", added: "Added: " } as const;

export function Diff({
  before,
  after,
  label,
}: {
  readonly before: string;
  readonly after: string;
  readonly label: string;
}) {
  const [isWhole, setWhole] = useState(false);
  const parts = useMemo(() => {
    const lines = diffLines(before === "" ? [] : before.split("\n"), after === "" ? [] : after.split("\n"));
    return isWhole ? [{ lines, hidden: 0 }] : foldSame(lines);
  }, [before, after, isWhole]);
  if (before === after) return <p class="muted">No difference.</p>;
  return (
    <ScrollBox class="diff" label={label}>
      {parts.map((part, index) =>
        part.hidden > 0 ? (
          <button type="button" key={index} class="diff-fold" onClick={() => setWhole(true)}>
            {part.hidden} unchanged {part.hidden === 1 ? "line" : "lines"}
          </button>
        ) : (
          part.lines.map(({ op, text }, line) => (
            <div key={`${index}:${line}`} class={`diff-line diff-${op}`}>
              <span class="diff-mark" aria-hidden="true">
                {MARKS[op]}
              </span>
              <span class="sr-only">{WORDS[op]}</span>
              {text || " "}
            </div>
          ))
        ),
      )}
    </ScrollBox>
  );
}
