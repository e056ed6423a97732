// Signing in by API key, which goes into a header and a subprotocol, never into an address.

import { useState } from "preact/hooks";
import { config } from "../config.ts";
import { signIn, signInWith, storedKey } from "../session.ts";
import { Icon, Logo } from "../ui/icons.tsx";
import { ThemeButton } from "./app.tsx";
import { hrefOf } from "./route.ts";

const focus = (input: HTMLInputElement | null) => input?.focus();

export function SignIn() {
  const [apiKey, setApiKey] = useState("");
  const { state, problem } = signIn.value;
  const { apiKey: offered, supabase, problem: configProblem } = config.value;
  const isChecking = state === "checking";
  const submit = (event: Event) => {
    event.preventDefault();
    if (apiKey.trim() !== "" && !isChecking) void signInWith(apiKey.trim());
  };
  // Coming back to an open tab: no form that is gone a moment later.
  if (isChecking && storedKey() !== null && apiKey === "")
    return <main class="sign-in" aria-busy="true" aria-label="Signing in" />;
  return (
    <main class="sign-in">
      <div class="corner">
        <ThemeButton />
      </div>
      <div class="sign-in-card">
        <div class="sign-in-brand">
          <Logo />
          <h1>memX</h1>
        </div>
        <p class="lead">
          The shared memory of your agents, live. Look at what they write, see who wrote it, and mend it.
        </p>
        <form onSubmit={submit}>
          <label for="api-key">API key</label>
          <input
            id="api-key"
            ref={focus}
            type="password"
            autocomplete="off"
            spellcheck={false}
            value={apiKey}
            aria-invalid={problem !== undefined}
            aria-describedby="sign-in-help"
            onInput={({ currentTarget }) => setApiKey(currentTarget.value)}
          />
          <div id="sign-in-help">
            {problem && (
              <p class="problem" role="alert">
                <Icon name="warn" /> {problem}
              </p>
            )}
            <p class="hint">Kept in this tab until you sign out or close it.</p>
          </div>
          <button type="submit" class="primary wide" disabled={apiKey.trim() === ""}>
            {isChecking ? "Checking…" : "Sign in"}
          </button>
        </form>
        {offered && (
          <div class="offer">
            <p>
              This memX runs for development and accepts <code>{offered}</code>.
            </p>
            <button type="button" class="wide" onClick={() => void signInWith(offered)}>
              Use the development key
            </button>
          </div>
        )}
        {supabase && (
          <div class="offer">
            <p>No API key yet? Your account can make one.</p>
            <a class="button wide" href={hrefOf({ view: "account" })}>
              <Icon name="user" /> Use my account
            </a>
          </div>
        )}
        {configProblem && (
          <p class="problem">
            <Icon name="warn" /> {configProblem}
          </p>
        )}
      </div>
      <footer class="sign-in-foot">
        <a href="/docs">API reference</a>
        <a href="/openapi.json">openapi.json</a>
        <a href="/health">Health</a>
      </footer>
    </main>
  );
}
