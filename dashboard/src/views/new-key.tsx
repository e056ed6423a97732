// Writing a key that does not exist yet, with a schema from the start if wanted.

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { MemxError } from "../../../sdk/typescript/index.ts";
import { Exact } from "../json/codec.ts";
import { compact, parse } from "../json/exact.ts";
import type { Memory } from "../keys/memory.ts";
import { Editor, type Fault, faultOf } from "../ui/editor.tsx";
import { Icon } from "../ui/icons.tsx";
import { say, sayError } from "../ui/notices.tsx";
import { go, guard, hrefOf } from "./route.ts";
import { SchemaPicker } from "./schema-picker.tsx";
import { type Ttl, TtlChoice, ttlFault, ttlOption } from "./ttl-choice.tsx";

const MAX_KEY_BYTES = 512;

export function NewKey({ memory }: { readonly memory: Memory }) {
  const name = useSignal("");
  const text = useSignal("{}");
  const schema = useSignal<string | undefined>(undefined);
  const schemaFaults = useSignal<readonly Fault[]>([]);
  const refused = useSignal<readonly Fault[]>([]);
  const ttl = useSignal<Ttl>({ kind: "none", seconds: "60" });
  const isSaving = useSignal(false);
  const ownSchema = useRef({ key: "", revision: 0 });
  const fault = useComputed(() => faultOf(text.value)).value;
  const schemaFault = useComputed(() => (schema.value === undefined ? undefined : faultOf(schema.value))).value;
  const nameFault = useComputed(() => faultOfName(name.value, memory)).value;
  useEffect(() => {
    document.getElementById("new-name")?.focus();
    guard.mayLeave = () =>
      isSaving.peek() ||
      (name.peek() === "" && text.peek() === "{}") ||
      window.confirm("Leave without writing the new key?");
    return () => {
      guard.mayLeave = () => true;
    };
  }, []);

  const canSave = name.value !== "" && !nameFault && !fault && !schemaFault && !ttlFault(ttl.value);
  const save = async () => {
    if (!canSave || isSaving.peek()) return;
    isSaving.value = true;
    const key = name.peek();
    try {
      // The schema comes first, so that memX checks the value against it.
      // A schema that is there already stays, unless this form has set it in an earlier try.
      const schemaText = schema.peek();
      if (schemaText !== undefined) {
        const expect = ownSchema.current.key === key ? ownSchema.current.revision : 0;
        const content = new Exact(compact(parse(schemaText)));
        const { revision } = await memory.memx.setSchema(key, content as never, { expect });
        ownSchema.current = { key, revision };
      }
      await memory.memx.set(key, new Exact(compact(parse(text.peek()))), { expect: 0, ...ttlOption(ttl.peek()) });
      say("Written.");
      go({ view: "keys", key });
      return;
    } catch (error) {
      const { code, errors = [], current } = error as MemxError & { current?: { schema?: unknown } };
      if (code === "schema_violation") refused.value = errors;
      else if (code === "invalid_schema") schemaFaults.value = errors;
      else if (code === "conflict" && current?.schema !== undefined) {
        sayError(new Error("This key has a schema already. Choose no schema here, and edit it at the key."));
      } else if (code === "conflict") sayError(new Error("This key has a value already. Open it to edit the value."));
      else sayError(error);
    }
    isSaving.value = false;
  };

  return (
    <form
      class="key edit"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <a class="back" href={hrefOf({ view: "keys" })}>
        <Icon name="back" /> Keys
      </a>
      <h1>New key</h1>
      <div class="field">
        <label for="new-name">Key</label>
        <input
          id="new-name"
          class="mono"
          spellcheck={false}
          autocomplete="off"
          autocapitalize="off"
          placeholder="team:task:1"
          value={name.value}
          aria-invalid={nameFault !== undefined}
          aria-describedby="new-name-help"
          onInput={({ currentTarget }) => {
            name.value = currentTarget.value;
          }}
        />
        <p id="new-name-help" class={nameFault ? "problem" : "hint"}>
          {nameFault ?? (
            <>
              <code>:</code> and <code>/</code> group keys in the tree.
            </>
          )}
        </p>
      </div>
      <SchemaPicker
        memory={memory}
        onPick={(picked) => {
          schema.value = picked;
          schemaFaults.value = [];
        }}
      />
      {schema.value !== undefined && (
        <div class="field">
          <label for="new-schema">The schema, to adapt</label>
          <textarea
            id="new-schema"
            class="mono"
            rows={6}
            spellcheck={false}
            value={schema.value}
            aria-invalid={schemaFault !== undefined || schemaFaults.value.length > 0}
            aria-describedby="new-schema-help"
            onInput={({ currentTarget }) => {
              schema.value = currentTarget.value;
              schemaFaults.value = [];
            }}
          />
          <p id="new-schema-help" class="problem" role="alert">
            {[...(schemaFault ? [schemaFault] : []), ...schemaFaults.value]
              .map(({ path, message }) => `${path ?? ""} ${message}`)
              .join(" ")}
          </p>
        </div>
      )}
      <div class="field">
        <label for="new-value">Value</label>
        <Editor
          id="new-value"
          label="Value as JSON"
          text={text.value}
          faults={fault ? [fault] : refused.value}
          onInput={(next) => {
            text.value = next;
            refused.value = [];
          }}
          onSave={() => void save()}
        />
      </div>
      <div class="edit-foot">
        <TtlChoice id="new-ttl" ttl={ttl} mayKeep={false} />
        <div class="actions">
          <a class="button" href={hrefOf({ view: "keys" })}>
            Cancel
          </a>
          <button type="submit" class="primary" disabled={!canSave}>
            {isSaving.value ? "Writing…" : "Write key"}
          </button>
        </div>
      </div>
    </form>
  );
}

function faultOfName(name: string, memory: Memory): string | undefined {
  if (name === "") return undefined;
  if (/\p{Cc}/u.test(name)) return "A key must not have control characters, such as a line break or a tab.";
  if (!name.isWellFormed()) return "A key must not have half of a surrogate pair.";
  const { length } = new TextEncoder().encode(name);
  if (length > MAX_KEY_BYTES) return `A key has at most ${MAX_KEY_BYTES} bytes; this one has ${length}.`;
  if (!memory.mayWrite(name))
    return `This API key cannot write this key. It can write ${memory.whoami.scopes.write.join(", ")}.`;
  if (memory.leaf(name)) return "This key has a value already. Open it to edit the value.";
  return undefined;
}
