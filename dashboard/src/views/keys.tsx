// The keys on the left, one of them on the right. On a phone, one of the two.

import type { Memory } from "../keys/memory.ts";
import { Icon } from "../ui/icons.tsx";
import { KeyView } from "./key.tsx";
import { KeyTree } from "./key-tree.tsx";
import { NewKey } from "./new-key.tsx";
import { hrefOf, route } from "./route.ts";

export function KeysView({ memory }: { readonly memory: Memory }) {
  const shown = route.value;
  const key = shown.view === "keys" ? shown.key : undefined;
  const isMain = shown.view === "new" || key !== undefined;
  return (
    <div class={isMain ? "panes shows-main" : "panes"}>
      <section class="pane-side" aria-label="Keys">
        {!isMain && <h1 class="sr-only">Keys</h1>}
        <KeyTree memory={memory} selected={key} />
      </section>
      <section class="pane-main" aria-label="Details">
        {shown.view === "new" ? (
          <NewKey memory={memory} />
        ) : key !== undefined ? (
          <KeyView key={key} memory={memory} name={key} tab={(shown.view === "keys" && shown.tab) || "value"} />
        ) : (
          <Nothing memory={memory} />
        )}
      </section>
    </div>
  );
}

function Nothing({ memory }: { readonly memory: Memory }) {
  memory.structure.value;
  const { read, write } = memory.whoami.scopes;
  if (memory.isListed.value && memory.size === 0) {
    return (
      <div class="empty">
        <Icon name="keys" />
        <h2>{read.length === 0 ? "This API key reads no keys" : "Nothing is stored yet"}</h2>
        <p>
          {read.length === 0
            ? "It may only write. Sign in with an API key that has read scopes to see what is stored."
            : "The moment an agent writes a key, it appears here. Connect an agent, or write the first key yourself."}
        </p>
        <div class="actions">
          {write.length > 0 && (
            <a class="button primary" href={hrefOf({ view: "new" })}>
              <Icon name="plus" /> New key
            </a>
          )}
          <a class="button" href={hrefOf({ view: "connect" })}>
            <Icon name="plug" /> Connect an agent
          </a>
        </div>
      </div>
    );
  }
  return (
    <div class="empty">
      <Icon name="keys" />
      <h2>Choose a key</h2>
      <p>
        Its value, its history and its schema show here. <kbd>/</kbd> jumps to the filter, arrow keys move through the
        tree.
      </p>
    </div>
  );
}
