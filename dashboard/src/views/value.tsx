// A value to look at: as a tree, or as text with every digit as it was written.

import { signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { format, parse } from "../json/exact.ts";
import { CopyButton } from "../ui/copy.tsx";
import { Icon } from "../ui/icons.tsx";
import { JsonTree } from "../ui/json-tree.tsx";
import { ScrollBox } from "../ui/scroll-box.tsx";
import type { KeyModel } from "./key-model.ts";

/** Stays as chosen from key to key. */
const isText = signal(false);

export function ValueTab({ model }: { readonly model: KeyModel }) {
  const entry = model.entry.value;
  if (entry === undefined) return null;
  if (entry === null) {
    return (
      <div class="empty small">
        <Icon name="keys" />
        <h2>{model.mayRead ? "No value" : "Not readable"}</h2>
        <p>
          {model.mayRead
            ? "It was deleted, has expired, or was never written. The history shows what it had, as far back as the log reaches."
            : "The scopes of this API key do not let it read this key."}
        </p>
      </div>
    );
  }
  return <Value text={entry.text} revision={entry.revision} />;
}

function Value({ text, revision }: { readonly text: string; readonly revision: number }) {
  const node = useMemo(() => parse(text), [text]);
  const pretty = useMemo(() => (isText.value ? format(node) : ""), [node, isText.value]);
  return (
    <div class="value">
      <div class="value-bar">
        <fieldset class="choice" aria-label="Show the value as">
          <button
            type="button"
            aria-pressed={!isText.value}
            onClick={() => {
              isText.value = false;
            }}
          >
            Tree
          </button>
          <button
            type="button"
            aria-pressed={isText.value}
            onClick={() => {
              isText.value = true;
            }}
          >
            Text
          </button>
        </fieldset>
        <CopyButton text={text} label="Copy the value" />
      </div>
      {isText.value ? (
        <ScrollBox class="value-text" label="The value as text">
          {pretty}
        </ScrollBox>
      ) : (
        <ScrollBox class="value-tree" label="The value as a tree">
          <span class="flash" key={revision} aria-hidden="true" />
          <JsonTree node={node} />
        </ScrollBox>
      )}
    </div>
  );
}
