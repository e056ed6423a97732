// One key: what it is at a glance, what can be done with it, and its value, history, schema and access.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { formatBytes, glance } from "../json/describe.ts";
import type { Memory } from "../keys/memory.ts";
import { adviceFor } from "../session.ts";
import { Age, Countdown } from "../ui/clock.tsx";
import { CopyButton } from "../ui/copy.tsx";
import { confirm } from "../ui/dialog.tsx";
import { focusOn } from "../ui/focus.ts";
import { Icon } from "../ui/icons.tsx";
import { say, sayError } from "../ui/notices.tsx";
import { Sparkline } from "../ui/sparkline.tsx";
import { AccessTab } from "./access.tsx";
import { EditValue } from "./edit-value.tsx";
import { HistoryTab } from "./history.tsx";
import { KeyModel, type Stored } from "./key-model.ts";
import { guard, hrefOf, KEY_TABS, type KeyTab } from "./route.ts";
import { SchemaTab } from "./schema.tsx";
import { ValueTab } from "./value.tsx";

const TAB_NAMES = { value: "Value", history: "History", schema: "Schema", access: "Access" } as const;

export function KeyView({
  memory,
  name,
  tab,
}: {
  readonly memory: Memory;
  readonly name: string;
  readonly tab: KeyTab;
}) {
  const model = useMemo(() => new KeyModel(memory, name), [memory, name]);
  useEffect(() => model.open(), [model]);
  const isEditing = useSignal(false);
  const entry = model.entry.value;
  const problem = model.problem.value;
  return (
    <article class="key">
      <header class="key-head">
        <a class="back" href={hrefOf({ view: "keys" })}>
          <Icon name="back" /> Keys
        </a>
        <div class="key-title">
          <h1>{name}</h1>
          <CopyButton text={name} label="Copy the key's name" />
        </div>
        <Facts model={model} entry={entry} />
        {!isEditing.value && (
          <div class="key-actions">
            {model.mayWrite && entry !== undefined && (
              <button
                id="edit"
                type="button"
                onClick={() => {
                  isEditing.value = true;
                }}
              >
                <Icon name="edit" /> {entry ? "Edit" : "Write a value"}
              </button>
            )}
            {model.mayWrite && entry && (
              <button type="button" class="danger-quiet" onClick={() => void deleteValue(model, entry)}>
                <Icon name="trash" /> Delete
              </button>
            )}
          </div>
        )}
      </header>
      {isEditing.value ? (
        <EditValue
          model={model}
          onDone={() => {
            isEditing.value = false;
            focusOn("edit");
            guard.mayLeave = () => true;
          }}
        />
      ) : (
        <>
          <nav class="tabs" aria-label="Parts of the key">
            {KEY_TABS.map((each) => (
              <a
                key={each}
                href={hrefOf({ view: "keys", key: name, tab: each })}
                aria-current={each === tab ? "page" : undefined}
              >
                {TAB_NAMES[each]}
                {each === "schema" && model.schema.value ? <span class="has" aria-label="set" role="img" /> : null}
              </a>
            ))}
          </nav>
          {problem !== undefined && (
            <div class="problem-box" role="alert">
              <p>{adviceFor(problem)}</p>
              <button type="button" onClick={() => void model.read()}>
                Try again
              </button>
            </div>
          )}
          {tab === "value" && <ValueTab model={model} />}
          {tab === "history" && <HistoryTab model={model} />}
          {tab === "schema" && <SchemaTab model={model} />}
          {tab === "access" && <AccessTab model={model} />}
        </>
      )}
    </article>
  );
}

function Facts({ model, entry }: { readonly model: KeyModel; readonly entry: Stored | null | undefined }) {
  model.memory.content.value;
  const activity = model.memory.activityOf(model.key);
  if (entry === undefined) return <p class="facts muted">Reading…</p>;
  if (entry === null) {
    return (
      <p class="facts muted">
        {model.mayRead ? "This key has no value." : "This API key may write this key and not read it."}
      </p>
    );
  }
  const { type, bytes } = glance(entry.text);
  return (
    <ul class="facts">
      <li class={`type type-${type}`}>{type}</li>
      <li>{formatBytes(bytes)}</li>
      <li>
        <span class="muted">changed</span> <Age ts={entry.ts} />
      </li>
      {entry.by && (
        <li>
          <span class="muted">by</span> <b>{entry.by}</b>
        </li>
      )}
      {entry.expires !== undefined && (
        <li class="expires">
          <Icon name="clock" /> expires in <Countdown expires={entry.expires} />
        </li>
      )}
      <li class="revision">
        <span class="muted">revision</span> {entry.revision}
      </li>
      {activity && (
        <li>
          <Sparkline activity={activity} width={80} height={18} label="Changes of this key in the last minute" />
        </li>
      )}
    </ul>
  );
}

async function deleteValue({ memory, key }: KeyModel, { revision }: Stored): Promise<void> {
  const title = "Delete this value?";
  const text = `${key} will have no value. Its schema stays, and its history keeps the value for a while.`;
  if (!(await confirm({ title, text, action: "Delete" }))) return;
  try {
    await memory.memx.delete(key, { expect: revision });
    say("Deleted.");
  } catch (error) {
    if ((error as { code?: string }).code === "conflict")
      say("The value has changed meanwhile, so it was not deleted. Look again first.");
    else sayError(error);
  }
}
