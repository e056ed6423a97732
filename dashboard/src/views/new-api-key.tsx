// Making an API key: its name, and its scopes as globs, with the keys that they match shown while one types.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { createKey } from "../account/keys.ts";
import { account } from "../account/project.ts";
import { matchesAny } from "../keys/filter.ts";
import { memory, signInWith } from "../session.ts";
import { CodeBlock } from "../ui/copy.tsx";
import { Icon } from "../ui/icons.tsx";
import { go } from "./route.ts";

const SHOWN = 6;

export function NewApiKey({ onDone }: { readonly onDone: () => void }) {
  const name = useSignal("");
  const read = useSignal("*");
  const write = useSignal("*");
  const isMaking = useSignal(false);
  const problem = useSignal<string | undefined>(undefined);
  const made = useSignal<string | undefined>(undefined);
  useEffect(() => document.getElementById("key-name")?.focus(), []);

  if (made.value !== undefined) {
    const apiKey = made.value;
    return (
      <section class="card" aria-label="API key made">
        <h2>Copy it now</h2>
        <p>This API key is shown only once. The project keeps its hash, from which nothing can be read.</p>
        <CodeBlock code={apiKey} label="the new API key" />
        <div class="actions">
          <button type="button" onClick={onDone}>
            I have copied it
          </button>
          <button
            type="button"
            class="primary"
            onClick={() => void signInWith(apiKey).then((isIn) => isIn && go({ view: "keys" }))}
          >
            Use it here
          </button>
        </div>
      </section>
    );
  }
  const make = async () => {
    if (isMaking.peek()) return;
    isMaking.value = true;
    problem.value = undefined;
    try {
      made.value = await createKey(name.peek().trim(), { read: split(read.peek()), write: split(write.peek()) });
    } catch (error) {
      problem.value = (error as Error).message;
    }
    isMaking.value = false;
  };
  return (
    <form
      class="card"
      aria-label="New API key"
      onSubmit={(event) => {
        event.preventDefault();
        void make();
      }}
    >
      <h2>New API key</h2>
      <div class="field">
        <label for="key-name">Name</label>
        <input
          id="key-name"
          value={name.value}
          placeholder="planner"
          autocomplete="off"
          onInput={({ currentTarget }) => {
            name.value = currentTarget.value;
          }}
        />
        <p class="hint">What the API key is for. Its holder sees it.</p>
      </div>
      <div class="two">
        <ScopeField
          id="scope-read"
          label="May read"
          text={read.value}
          onInput={(text) => {
            read.value = text;
          }}
        />
        <ScopeField
          id="scope-write"
          label="May write"
          text={write.value}
          onInput={(text) => {
            write.value = text;
          }}
        />
      </div>
      {problem.value && (
        <p class="problem" role="alert">
          <Icon name="warn" /> {problem.value}
        </p>
      )}
      <div class="actions">
        <button type="button" onClick={onDone}>
          Cancel
        </button>
        <button type="submit" class="primary" disabled={split(`${read.value}\n${write.value}`).length === 0}>
          {isMaking.value ? "Making…" : "Make API key"}
        </button>
      </div>
    </form>
  );
}

type FieldProps = {
  readonly id: string;
  readonly label: string;
  readonly text: string;
  readonly onInput: (text: string) => void;
};

function ScopeField({ id, label, text, onInput }: FieldProps) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        class="mono"
        rows={3}
        spellcheck={false}
        value={text}
        aria-describedby={`${id}-preview`}
        onInput={({ currentTarget }) => onInput(currentTarget.value)}
      />
      <div id={`${id}-preview`} class="hint" aria-live="polite">
        One glob a line. <Preview globs={split(text)} />
      </div>
    </div>
  );
}

/** Which of the keys that the page knows the globs match. */
function Preview({ globs }: { readonly globs: readonly string[] }) {
  const open = memory.value;
  if (globs.length === 0) return <>No keys at all.</>;
  if (!open) return <>Sign in with an API key to see which keys match.</>;
  open.structure.value;
  const test = matchesAny(globs);
  const shown: string[] = [];
  let count = 0;
  for (const key of open.keys()) {
    if (!test(key)) continue;
    if (++count <= SHOWN) shown.push(key);
  }
  if (count === 0) return <>No key that is there now matches.</>;
  return (
    <>
      Matches {count.toLocaleString("en")} of {open.size.toLocaleString("en")} keys
      {account.value ? "" : " of this API key"}:
      <span class="globs">
        {shown.map((key) => (
          <code key={key} class="glob match">
            {key}
          </code>
        ))}
        {count > SHOWN && <span class="muted">and {count - SHOWN} more</span>}
      </span>
    </>
  );
}

function split(text: string): string[] {
  return [
    ...new Set(
      text
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== ""),
    ),
  ];
}
