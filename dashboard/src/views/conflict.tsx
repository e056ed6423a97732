// Three versions of one value: where the edit began, what the other side made of it, and mine. What only one side changed is
// merged; the rest is chosen place by place.

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { compact, format, formatText, type JsonNode, parse } from "../json/exact.ts";
import { merge, type Side } from "../json/merge.ts";
import { Age } from "../ui/clock.tsx";
import { Diff } from "../ui/diff.tsx";
import { focusOn } from "../ui/focus.ts";
import { ScrollBox } from "../ui/scroll-box.tsx";
import type { Stored } from "./key-model.ts";

type Props = {
  readonly base: Stored | null;
  readonly theirs: Stored | null;
  /** JSON text. */
  readonly mine: string;
  readonly onSave: (merged: string) => void;
  readonly onTakeTheirs: () => void;
  readonly onBack: () => void;
};

export function Conflict({ base, theirs, mine, onSave, onTakeTheirs, onBack }: Props) {
  useEffect(() => focusOn("merge"), []);
  const choices = useSignal<ReadonlyMap<string, Side>>(new Map());
  const [baseNode, theirNode, myNode] = useMemo(
    () => [read(base?.text), read(theirs?.text), read(mine)],
    [base, theirs, mine],
  );
  const { node, conflicts } = useComputed(() => merge(baseNode, myNode, theirNode, choices.value)).value;
  const [baseText, theirText] = [base ? formatText(base.text) : "", theirs ? formatText(theirs.text) : ""];
  const result = node ? format(node) : undefined;
  const choose = (path: string, side: Side) => {
    choices.value = new Map([...choices.value, [path, side]]);
  };
  return (
    <section id="merge" class="conflict" aria-label="Merge" tabIndex={-1}>
      <div class="conflict-head">
        <h2>Someone else changed this key</h2>
        <p class="muted">
          {theirs ? (
            <>
              {theirs.by ?? "Another client"} wrote revision {theirs.revision}, <Age ts={theirs.ts} />. Nothing is lost:
              choose what the key should hold.
            </>
          ) : (
            <>The value was deleted or has expired. Saving writes it again.</>
          )}
        </p>
      </div>
      <div class="three">
        <section aria-label="Base">
          <h3>Base</h3>
          <p class="muted">{base ? `revision ${base.revision}` : "no value"}</p>
          <ScrollBox class="side" label="The base">
            {baseText || "(no value)"}
          </ScrollBox>
        </section>
        <section aria-label="Theirs">
          <h3>Theirs</h3>
          <p class="muted">
            {theirs ? `revision ${theirs.revision}${theirs.by ? `, by ${theirs.by}` : ""}` : "no value"}
          </p>
          <Diff before={baseText} after={theirText} label="What they changed" />
        </section>
        <section aria-label="Mine">
          <h3>Mine</h3>
          <p class="muted">not saved yet</p>
          <Diff before={baseText} after={formatText(mine)} label="What I changed" />
        </section>
      </div>
      {conflicts.length > 0 && (
        <fieldset class="choices">
          <legend>
            {conflicts.length === 1
              ? "One place was changed on both sides"
              : `${conflicts.length} places were changed on both sides`}
          </legend>
          {conflicts.map(({ path, mine: ours, theirs: others }) => (
            <fieldset key={path} class="choice-row" aria-label={path || "The whole value"}>
              <code class="path">{path || "the whole value"}</code>
              <Option
                name={path}
                side="theirs"
                node={others}
                isChosen={choices.value.get(path) === "theirs"}
                onChoose={choose}
              />
              <Option
                name={path}
                side="mine"
                node={ours}
                isChosen={choices.value.get(path) !== "theirs"}
                onChoose={choose}
              />
            </fieldset>
          ))}
        </fieldset>
      )}
      <section aria-label="Result">
        <h3>Result</h3>
        <Diff before={theirText} after={result ?? ""} label="What saving changes" />
      </section>
      <div class="actions">
        <button type="button" onClick={onBack}>
          Back to my edit
        </button>
        <button type="button" onClick={onTakeTheirs}>
          Discard mine
        </button>
        <button type="button" class="primary" disabled={result === undefined} onClick={() => result && onSave(result)}>
          Save the result
        </button>
      </div>
    </section>
  );
}

type OptionProps = {
  readonly name: string;
  readonly side: Side;
  readonly node: JsonNode | undefined;
  readonly isChosen: boolean;
  readonly onChoose: (path: string, side: Side) => void;
};

function Option({ name, side, node, isChosen, onChoose }: OptionProps) {
  const text = node ? compact(node) : "(removed)";
  return (
    <label class={isChosen ? "option chosen" : "option"}>
      <input type="radio" name={`choice${name}`} checked={isChosen} onChange={() => onChoose(name, side)} />
      <b>{side === "mine" ? "Mine" : "Theirs"}</b>
      <code>{text.length > 200 ? `${text.slice(0, 200)}…` : text}</code>
    </label>
  );
}

function read(text: string | undefined): JsonNode | undefined {
  try {
    return text === undefined ? undefined : parse(text);
  } catch {
    return undefined; // The editor lets no such text through.
  }
}
