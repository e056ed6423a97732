// Editing a value: saved only if the key still has the revision that the edit began with. Otherwise base, theirs and mine
// are shown side by side.

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { MemxError } from "../../../sdk/typescript/index.ts";
import { Exact } from "../json/codec.ts";
import { compact, formatText, parse } from "../json/exact.ts";
import { Editor, type Fault, faultOf } from "../ui/editor.tsx";
import { Icon } from "../ui/icons.tsx";
import { say, sayError } from "../ui/notices.tsx";
import { Conflict } from "./conflict.tsx";
import type { KeyModel, Stored } from "./key-model.ts";
import { guard } from "./route.ts";
import { type Ttl, TtlChoice, ttlFault, ttlOption } from "./ttl-choice.tsx";

export function EditValue({ model, onDone }: { readonly model: KeyModel; readonly onDone: () => void }) {
  const base = useSignal<Stored | null>(model.entry.peek() ?? null);
  const start = useRef(base.peek() ? formatText(base.peek()?.text ?? "") : "{}");
  const text = useSignal(start.current);
  const refused = useSignal<readonly Fault[]>([]);
  const isSaving = useSignal(false);
  /** What the other side wrote, once it stands in the way. */
  const theirs = useSignal<Stored | null | undefined>(undefined);
  const ttl = useSignal<Ttl>({ kind: base.peek()?.expires === undefined ? "none" : "keep", seconds: "60" });
  const fault = useComputed(() => faultOf(text.value)).value;
  const faults = fault ? [fault] : refused.value;

  useEffect(() => {
    guard.mayLeave = () => text.peek() === start.current || window.confirm("Leave without saving your changes?");
    return () => {
      guard.mayLeave = () => true;
    };
  }, []);

  const current = model.entry.value;
  const hasMoved = model.mayRead && current !== undefined && (current?.revision ?? 0) !== (base.value?.revision ?? 0);

  const save = async (content = text.peek(), expected = base.peek()) => {
    if (isSaving.peek() || faultOf(content) || ttlFault(ttl.peek())) return;
    isSaving.value = true;
    try {
      const value = new Exact(compact(parse(content)));
      // An API key that must not read the key does not know its revision.
      const expect = model.mayRead ? { expect: expected?.revision ?? 0 } : {};
      const { revision, ts } = await model.memory.memx.set(model.key, value, { ...expect, ...ttlOption(ttl.peek()) });
      if (model.mayRead && revision > (model.entry.peek()?.revision ?? 0)) {
        model.entry.value = { text: value.text, revision, ts, by: "dashboard" };
        void model.readCurrent().catch(() => {
          // The feed brings it.
        });
      }
      say("Saved.");
      onDone();
    } catch (error) {
      await explain(error);
    }
    isSaving.value = false;
  };

  const explain = async (error: unknown) => {
    const { code, errors = [] } = error as MemxError;
    if (code === "schema_violation") refused.value = errors;
    else if (code === "conflict") await showConflict();
    else sayError(error);
  };

  const showConflict = async () => {
    try {
      theirs.value = await model.readCurrent();
    } catch (error) {
      sayError(error);
    }
  };

  if (theirs.value !== undefined) {
    return (
      <Conflict
        base={base.value}
        theirs={theirs.value}
        mine={text.value}
        onSave={(merged) => {
          const other = theirs.peek() ?? null;
          text.value = merged;
          base.value = other;
          theirs.value = undefined;
          void save(merged, other);
        }}
        onTakeTheirs={onDone}
        onBack={() => {
          theirs.value = undefined;
        }}
      />
    );
  }
  return (
    <form
      class="edit"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      {hasMoved && (
        <div class="moved" role="status">
          <Icon name="warn" />
          <span>
            {current ? (
              <>
                <b>{current.by ?? "Another client"}</b> has changed this value since you began.
              </>
            ) : (
              <>The value was deleted or has expired since you began.</>
            )}
          </span>
          <button
            type="button"
            disabled={fault !== undefined}
            onClick={() => {
              theirs.value = current ?? null;
            }}
          >
            Compare and merge
          </button>
        </div>
      )}
      <Editor
        id="value-editor"
        label={`Value of ${model.key} as JSON`}
        text={text.value}
        faults={faults}
        onInput={(next) => {
          text.value = next;
          refused.value = [];
        }}
        onSave={() => void save()}
      />
      <div class="edit-foot">
        <TtlChoice id="edit-ttl" ttl={ttl} mayKeep={base.value?.expires !== undefined} />
        <div class="actions">
          <button type="button" onClick={onDone}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={fault !== undefined || ttlFault(ttl.value) !== undefined}>
            {isSaving.value ? "Saving…" : "Save"}
          </button>
        </div>
      </div>
      <p class="hint">
        Numbers keep every digit. memX saves only if the key has not changed since. <kbd>Ctrl</kbd> <kbd>S</kbd> saves.
      </p>
    </form>
  );
}
