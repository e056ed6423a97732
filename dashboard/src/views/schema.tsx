// The key's JSON Schema: what every later write must match.

import { useComputed, useSignal } from "@preact/signals";
import type { MemxError } from "../../../sdk/typescript/index.ts";
import { Exact } from "../json/codec.ts";
import { compact, formatText, parse } from "../json/exact.ts";
import { confirm } from "../ui/dialog.tsx";
import { Editor, type Fault, faultOf } from "../ui/editor.tsx";
import { focusOn } from "../ui/focus.ts";
import { Icon } from "../ui/icons.tsx";
import { say, sayError } from "../ui/notices.tsx";
import { ScrollBox } from "../ui/scroll-box.tsx";
import type { KeyModel, StoredSchema } from "./key-model.ts";
import { SchemaPicker } from "./schema-picker.tsx";

export function SchemaTab({ model }: { readonly model: KeyModel }) {
  const isEditing = useSignal(false);
  const schema = model.schema.value;
  if (!model.mayRead) return <p class="muted pad">The scopes of this API key do not let it read this schema.</p>;
  if (schema === undefined) return null;
  const edit = () => {
    isEditing.value = true;
  };
  if (isEditing.value)
    return (
      <EditSchema
        model={model}
        schema={schema}
        onDone={() => {
          isEditing.value = false;
          focusOn("edit-schema");
        }}
      />
    );
  if (schema === null) {
    return (
      <div class="empty small">
        <Icon name="check" />
        <h2>Any JSON is allowed</h2>
        <p>A schema makes memX refuse every write that does not match it, from whichever agent it comes.</p>
        {model.mayWrite && (
          <button id="edit-schema" type="button" onClick={edit}>
            <Icon name="plus" /> Add a schema
          </button>
        )}
      </div>
    );
  }
  return (
    <div class="value">
      <div class="value-bar">
        <span class="muted">Every write must match this. Revision {schema.revision}.</span>
        {model.mayWrite && (
          <span class="actions">
            <button id="edit-schema" type="button" onClick={edit}>
              <Icon name="edit" /> Edit schema
            </button>
            <button type="button" class="danger-quiet" onClick={() => void deleteSchema(model, schema)}>
              <Icon name="trash" /> Delete schema
            </button>
          </span>
        )}
      </div>
      <ScrollBox class="value-text" label="The schema">
        {formatText(schema.text)}
      </ScrollBox>
    </div>
  );
}

type EditProps = { readonly model: KeyModel; readonly schema: StoredSchema | null; readonly onDone: () => void };

function EditSchema({ model, schema, onDone }: EditProps) {
  const text = useSignal(schema ? formatText(schema.text) : '{\n  "type": "object"\n}');
  const refused = useSignal<readonly Fault[]>([]);
  const isSaving = useSignal(false);
  const fault = useComputed(() => faultOf(text.value)).value;
  const save = async () => {
    if (isSaving.peek() || faultOf(text.peek())) return;
    isSaving.value = true;
    try {
      const content = new Exact(compact(parse(text.peek())));
      await model.memory.memx.setSchema(model.key, content as never, { expect: schema?.revision ?? 0 });
      await model.read();
      say("Schema saved. It applies to every later write.");
      onDone();
    } catch (error) {
      const { code, errors = [] } = error as MemxError;
      if (code === "invalid_schema" && errors.length > 0) refused.value = errors;
      else if (code === "conflict") say("The schema has changed meanwhile. Cancel, and look at the new one first.");
      else sayError(error);
    }
    isSaving.value = false;
  };
  return (
    <form
      class="edit"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      {!schema && (
        <SchemaPicker
          memory={model.memory}
          onPick={(picked) => {
            if (picked !== undefined) text.value = picked;
          }}
        />
      )}
      <Editor
        id="schema-editor"
        label={`JSON Schema of ${model.key}`}
        text={text.value}
        faults={fault ? [fault] : refused.value}
        onInput={(next) => {
          text.value = next;
          refused.value = [];
        }}
        onSave={() => void save()}
      />
      <div class="edit-foot">
        <p class="hint">The value that is already there stays as it is, even if it does not match.</p>
        <div class="actions">
          <button type="button" onClick={onDone}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={fault !== undefined}>
            {isSaving.value ? "Saving…" : "Save schema"}
          </button>
        </div>
      </div>
    </form>
  );
}

async function deleteSchema(model: KeyModel, { revision }: StoredSchema): Promise<void> {
  const title = "Delete this schema?";
  if (!(await confirm({ title, text: `From then on, ${model.key} takes any JSON.`, action: "Delete" }))) return;
  try {
    await model.memory.memx.deleteSchema(model.key, { expect: revision });
    await model.read();
    say("Schema deleted.");
    focusOn("edit-schema");
  } catch (error) {
    sayError(error);
  }
}
