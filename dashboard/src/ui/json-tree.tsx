// A value as a tree that opens and closes. Long lists show a part at a time, so a value of 256 KiB stays quick.

import { useState } from "preact/hooks";
import type { JsonNode } from "../json/exact.ts";
import { Icon } from "./icons.tsx";

const PART = 100;
/** Text of more characters than this is shown in part at first. */
const LONG = 2_000;

export function JsonTree({ node }: { readonly node: JsonNode }) {
  return (
    <div class="json">
      <Node node={node} level={0} />
    </div>
  );
}

function Node({
  node,
  name,
  level,
}: {
  readonly node: JsonNode;
  readonly name?: string | number;
  readonly level: number;
}) {
  const children = childrenOf(node);
  const size = children?.length ?? 0;
  const [isOpen, setOpen] = useState(level < 2 || (level < 4 && size <= 20));
  if (!children || size === 0) {
    return (
      <div class="json-row">
        <Name name={name} />
        {"text" in node ? (
          <Scalar type={node.type} text={node.text} />
        ) : (
          <span class="json-empty">{node.type === "object" ? "{ }" : "[ ]"}</span>
        )}
      </div>
    );
  }
  return (
    <div>
      <button type="button" class="json-row json-toggle" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        <Icon name="chevron" />
        <Name name={name} />
        <span class="json-summary">
          {node.type === "object" ? "{…} " : "[…] "}
          {size} {node.type === "object" ? "member" : "item"}
          {size === 1 ? "" : "s"}
        </span>
      </button>
      {isOpen && <Children all={children} level={level + 1} />}
    </div>
  );
}

type Child = { readonly name: string | number; readonly node: JsonNode };

/** `undefined` if it is not a list. */
function childrenOf(node: JsonNode): readonly Child[] | undefined {
  if (node.type === "object") return node.members;
  return node.type === "array" ? node.items.map((item, name) => ({ name, node: item })) : undefined;
}

function Children({ all, level }: { readonly all: readonly Child[]; readonly level: number }) {
  const [shown, setShown] = useState(PART);
  return (
    <div class="json-children">
      {all.slice(0, shown).map(({ name, node }) => (
        <Node key={name} name={name} node={node} level={level} />
      ))}
      {all.length > shown && (
        <button type="button" class="link" onClick={() => setShown(shown + PART * 5)}>
          Show {Math.min(PART * 5, all.length - shown)} more of {all.length - shown}
        </button>
      )}
    </div>
  );
}

function Name({ name }: { readonly name: string | number | undefined }) {
  if (name === undefined) return null;
  return <span class={typeof name === "number" ? "json-index" : "json-name"}>{name}</span>;
}

function Scalar({ type, text }: { readonly type: string; readonly text: string }) {
  const [isWhole, setWhole] = useState(text.length <= LONG);
  return (
    <span class={`json-${type}`}>
      {isWhole ? text : text.slice(0, LONG)}
      {!isWhole && (
        <button type="button" class="link" onClick={() => setWhole(true)}>
          … show all {text.length} characters
        </button>
      )}
    </span>
  );
}
