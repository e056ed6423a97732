// Who may do what with a key: by the scopes of the API key that is signed in, and those of the account's other API keys.

import { projectKeys } from "../account/keys.ts";
import { matchesAny } from "../keys/filter.ts";
import { Icon } from "../ui/icons.tsx";
import type { KeyModel } from "./key-model.ts";

export function AccessTab({ model }: { readonly model: KeyModel }) {
  const { name, scopes } = model.memory.whoami;
  const others = (projectKeys.value ?? []).filter(
    ({ active, own }) => active && own && matchesAny(own.read)(model.key),
  );
  return (
    <div class="access">
      <h2>{name ?? "This API key"}</h2>
      <div class="access-grid">
        <Right word="read" isAllowed={model.mayRead} globs={scopes.read} of={model.key} />
        <Right word="write" isAllowed={model.mayWrite} globs={scopes.write} of={model.key} />
      </div>
      {others.length > 0 && (
        <>
          <h2>API keys of your account that may read it</h2>
          <ul class="plain">
            {others.map(({ id, name: other, own }) => (
              <li key={id}>
                {other ?? "without a name"}{" "}
                <span class="muted">{own && matchesAny(own.write)(model.key) ? "reads and writes" : "reads"}</span>
              </li>
            ))}
          </ul>
        </>
      )}
      <p class="muted">
        Scopes are globs over keys. The operator, or the owner of the account, changes them. An agent that names itself
        with <code>x-memx-agent</code> shows as <code>by</code>; that name proves nothing.
      </p>
    </div>
  );
}

type RightProps = {
  readonly word: string;
  readonly isAllowed: boolean;
  readonly globs: readonly string[];
  readonly of: string;
};

function Right({ word, isAllowed, globs, of }: RightProps) {
  return (
    <section class={isAllowed ? "right allowed" : "right"} aria-label={`Right to ${word}`}>
      <h3>
        <Icon name={isAllowed ? "check" : "close"} /> {isAllowed ? `Can ${word}` : `Cannot ${word}`}
      </h3>
      <ul class="globs">
        {globs.map((glob) => (
          <li key={glob} class={matchesAny([glob])(of) ? "glob match" : "glob"}>
            <code>{glob}</code>
            {matchesAny([glob])(of) && <span class="sr-only"> matches</span>}
          </li>
        ))}
        {globs.length === 0 && <li class="muted">no scopes</li>}
      </ul>
    </section>
  );
}
