// A schema to begin with: a common one, or that of another key.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Exact } from "../json/codec.ts";
import { formatText } from "../json/exact.ts";
import type { Memory } from "../keys/memory.ts";

const COMMON: readonly (readonly [name: string, schema: string])[] = [
  ["An object", '{"type":"object"}'],
  [
    "An object with named members",
    '{"type":"object","properties":{"name":{"type":"string"}},"required":["name"],"additionalProperties":false}',
  ],
  ["A list of objects", '{"type":"array","items":{"type":"object"}}'],
  ["A list of texts", '{"type":"array","items":{"type":"string"}}'],
  ["A text", '{"type":"string"}'],
  ["A number", '{"type":"number"}'],
  ["True or false", '{"type":"boolean"}'],
];
const MAX_LISTED = 200;

/** `onPick` gets the schema's text over several lines; `undefined` for no schema. */
export function SchemaPicker({
  memory,
  onPick,
}: {
  readonly memory: Memory;
  readonly onPick: (text: string | undefined) => void;
}) {
  const stored = useSignal<ReadonlyMap<string, string>>(new Map());
  useEffect(() => {
    if (memory.whoami.scopes.read.length === 0) return;
    const found = new Map<string, string>();
    const subscription = memory.memx.watch("*", { event: "schema", snapshot: true } as const);
    void (async () => {
      for await (const { key, action, schema } of subscription) {
        if (action === "set") found.set(key, (schema as unknown as Exact).text);
        else found.delete(key);
        if (found.size <= MAX_LISTED) stored.value = new Map(found);
      }
    })().catch(() => {
      // The common ones are enough then.
    });
    return () => subscription.close();
  }, [memory]);
  const pick = (choice: string) => {
    const text = choice.startsWith("common:")
      ? COMMON[Number(choice.slice(7))]?.[1]
      : stored.value.get(choice.slice(4));
    onPick(text === undefined ? undefined : formatText(text));
  };
  return (
    <div class="field">
      <label for="schema-picker">Schema</label>
      <select id="schema-picker" onChange={({ currentTarget }) => pick(currentTarget.value)}>
        <option value="none">None: any JSON is allowed</option>
        <optgroup label="Common">
          {COMMON.map(([name], index) => (
            <option key={name} value={`common:${index}`}>
              {name}
            </option>
          ))}
        </optgroup>
        {stored.value.size > 0 && (
          <optgroup label="As of another key">
            {[...stored.value.keys()].sort().map((key) => (
              <option key={key} value={`key:${key}`}>
                {key}
              </option>
            ))}
          </optgroup>
        )}
      </select>
    </div>
  );
}
