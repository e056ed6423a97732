// One's account at the Supabase project, and the API keys that belong to it.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type ProjectKey, projectKeys, readKeys, revokeKey } from "../account/keys.ts";
import { account, linkProblem, sendMagicLink, signInWithPassword, signOutOfProject } from "../account/project.ts";
import { config } from "../config.ts";
import { memory } from "../session.ts";
import { confirm } from "../ui/dialog.tsx";
import { Icon } from "../ui/icons.tsx";
import { say, sayError } from "../ui/notices.tsx";
import { NewApiKey } from "./new-api-key.tsx";
import { hrefOf } from "./route.ts";

export function AccountView() {
  if (!config.value.isLoaded) return null;
  if (!config.value.supabase) {
    return (
      <div class="empty">
        <Icon name="user" />
        <h1>No accounts here</h1>
        <p>
          {config.value.problem ??
            "This memX has no Supabase project with a public key. The operator makes API keys with npm run keys, and sets SUPABASE_ANON_KEY to let people make their own."}
        </p>
        <a class="button" href={hrefOf({ view: "keys" })}>
          Back
        </a>
      </div>
    );
  }
  return account.value ? <Keys /> : <AccountSignIn />;
}

function AccountSignIn() {
  const email = useSignal("");
  const password = useSignal("");
  const state = useSignal<"idle" | "busy" | "sent">("idle");
  const problem = useSignal(linkProblem.value);
  const run = async (work: () => Promise<void>, after: "idle" | "sent") => {
    if (state.peek() === "busy") return;
    state.value = "busy";
    problem.value = undefined;
    try {
      await work();
      state.value = after;
    } catch (error) {
      problem.value = (error as Error).message;
      state.value = "idle";
    }
  };
  const isBusy = state.value === "busy";
  const isEmail = /^\S+@\S+$/.test(email.value);
  return (
    <div class="page narrow">
      <h1>Your account</h1>
      <p class="lead">Sign in to make, narrow and revoke your own API keys.</p>
      {state.value === "sent" ? (
        <div class="note" role="status">
          <b>Look into your inbox.</b> The link that was sent to {email.value} opens this page, signed in.
        </div>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (isEmail && password.value !== "")
              void run(() => signInWithPassword(email.value, password.value), "idle");
          }}
        >
          <div class="field">
            <label for="email">Email address</label>
            <input
              id="email"
              type="email"
              autocomplete="username"
              value={email.value}
              onInput={({ currentTarget }) => {
                email.value = currentTarget.value;
              }}
            />
          </div>
          <div class="field">
            <label for="password">Password</label>
            <input
              id="password"
              type="password"
              autocomplete="current-password"
              value={password.value}
              onInput={({ currentTarget }) => {
                password.value = currentTarget.value;
              }}
            />
          </div>
          {problem.value && (
            <p class="problem" role="alert">
              <Icon name="warn" /> {problem.value}
            </p>
          )}
          <button type="submit" class="primary wide" disabled={!isEmail || password.value === ""}>
            {isBusy ? "One moment…" : "Sign in"}
          </button>
          <button
            type="button"
            class="wide"
            disabled={!isEmail}
            onClick={() => void run(() => sendMagicLink(email.value), "sent")}
          >
            Send me a link instead
          </button>
        </form>
      )}
      {!memory.value && (
        <p class="pad">
          <a href={hrefOf({ view: "keys" })}>Sign in with an API key</a>
        </p>
      )}
    </div>
  );
}

function Keys() {
  const problem = useSignal<string | undefined>(undefined);
  const isMaking = useSignal(false);
  const read = () => {
    problem.value = undefined;
    readKeys().catch((error: Error) => {
      problem.value = error.message;
    });
  };
  useEffect(read, []);
  const keys = projectKeys.value;
  return (
    <div class="page">
      <div class="page-head">
        <div>
          <h1>Your API keys</h1>
          <p class="muted">{account.value?.email}</p>
        </div>
        <div class="actions">
          {!isMaking.value && (
            <button
              type="button"
              class="primary"
              onClick={() => {
                isMaking.value = true;
              }}
            >
              <Icon name="plus" /> New API key
            </button>
          )}
          <button
            type="button"
            onClick={() => {
              projectKeys.value = undefined;
              signOutOfProject();
            }}
          >
            Sign out of the account
          </button>
        </div>
      </div>
      {!memory.value && (
        <p class="note">
          You are not signed in to the memory yet. Make an API key and use it, or{" "}
          <a href={hrefOf({ view: "keys" })}>sign in with one</a>.
        </p>
      )}
      {problem.value && (
        <div class="problem-box" role="alert">
          <p>{problem.value}</p>
          <button type="button" onClick={read}>
            Try again
          </button>
        </div>
      )}
      {isMaking.value && (
        <NewApiKey
          onDone={() => {
            isMaking.value = false;
          }}
        />
      )}
      {keys && keys.length === 0 && !isMaking.value && (
        <div class="empty small">
          <Icon name="user" />
          <h2>No API keys yet</h2>
          <p>Make one for each agent, so that you can revoke one without stopping the others.</p>
        </div>
      )}
      {keys && keys.length > 0 && (
        <div class="table-box">
          <table class="key-table">
            <caption class="sr-only">Your API keys, newest first</caption>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">May read</th>
                <th scope="col">May write</th>
                <th scope="col">Made</th>
                <th scope="col">
                  <span class="sr-only">Revoke</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {keys.map((key) => (
                <KeyRow key={key.id} apiKey={key} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}

function KeyRow({ apiKey: { id, name, active, created_at, own } }: { readonly apiKey: ProjectKey }) {
  const revoke = async () => {
    const text =
      "memX refuses it within a minute, and closes its open connections within 90 seconds. This cannot be undone.";
    if (!(await confirm({ title: `Revoke ${name ?? "this API key"}?`, text, action: "Revoke" }))) return;
    try {
      await revokeKey(id);
      say("Revoked.");
    } catch (error) {
      sayError(error);
    }
  };
  return (
    <tr class={active ? undefined : "revoked"}>
      <th scope="row">{name ?? <span class="muted">without a name</span>}</th>
      <td data-label="May read">
        <ScopeList globs={own?.read} />
      </td>
      <td data-label="May write">
        <ScopeList globs={own?.write} />
      </td>
      <td class="when" data-label="Made">
        {new Date(created_at).toLocaleDateString(undefined, { dateStyle: "medium" })}
      </td>
      <td class="row-end">
        {active ? (
          <button
            type="button"
            class="danger-quiet"
            aria-label={`Revoke ${name ?? "the API key"}`}
            onClick={() => void revoke()}
          >
            Revoke
          </button>
        ) : (
          <span class="muted">revoked</span>
        )}
      </td>
    </tr>
  );
}

function ScopeList({ globs }: { readonly globs: readonly string[] | undefined }) {
  if (!globs || globs.length === 0) return <span class="muted">nothing</span>;
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
