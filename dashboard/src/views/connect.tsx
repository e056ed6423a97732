// How an agent connects: snippets with this memX's address, and with the API key left out.

import { useSignal } from "@preact/signals";
import type { Memory } from "../keys/memory.ts";
import { CodeBlock } from "../ui/copy.tsx";
import { SNIPPETS } from "./snippets.ts";

export function ConnectView({ memory }: { readonly memory: Memory }) {
  const shown = useSignal(0);
  const snippet = SNIPPETS[shown.value] ?? SNIPPETS[0];
  const { name, engine, version, scopes, limits } = memory.whoami;
  return (
    <div class="page connect">
      <h1>Connect an agent</h1>
      <p class="lead">
        Put your API key into the environment as <code>MEMX_API_KEY</code>. The snippets read it from there, so they can
        be shared.
      </p>
      <fieldset class="choice" aria-label="Connect with">
        {SNIPPETS.map(({ title }, index) => (
          <button
            type="button"
            key={title}
            aria-pressed={index === shown.value}
            onClick={() => {
              shown.value = index;
            }}
          >
            {title}
          </button>
        ))}
      </fieldset>
      <p>{snippet.text}</p>
      {snippet.blocks(location.origin).map(({ label, code }) => (
        <div key={label}>
          <h2 class="code-title">{label}</h2>
          <CodeBlock code={code} label={label} />
        </div>
      ))}
      <section aria-label="More">
        <h2>More</h2>
        <ul class="links">
          <li>
            <a href="/docs">API reference</a> <span class="muted">every call, to try in the browser</span>
          </li>
          <li>
            <a href="/openapi.json">openapi.json</a> <span class="muted">the same for programs</span>
          </li>
          <li>
            <a href="/health">Health</a> <span class="muted">whether memX and its store respond</span>
          </li>
        </ul>
      </section>
      <section aria-label="This memX">
        <h2>This memX, and your API key</h2>
        <dl class="about">
          <dt>API key</dt>
          <dd>{name ?? "without a name"}</dd>
          <dt>May read</dt>
          <dd>
            <Globs globs={scopes.read} />
          </dd>
          <dt>May write</dt>
          <dd>
            <Globs globs={scopes.write} />
          </dd>
          <dt>Version</dt>
          <dd>
            {version} <span class="muted">on {engine}</span>
          </dd>
          <dt>Largest value</dt>
          <dd>{((limits.value ?? 0) / 1024).toFixed(0)} KiB</dd>
          <dt>Change log</dt>
          <dd>the last {(limits.log ?? 0).toLocaleString("en")} changes</dd>
        </dl>
      </section>
    </div>
  );
}

function Globs({ globs }: { readonly globs: readonly string[] }) {
  if (globs.length === 0) return <span class="muted">nothing</span>;
  return (
    <ul class="globs">
      {globs.map((glob) => (
        <li key={glob} class="glob">
          <code>{glob}</code>
        </li>
      ))}
    </ul>
  );
}
