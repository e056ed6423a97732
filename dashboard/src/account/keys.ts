// The account's API keys, in the project's table. The project gets only their hashes: a key is shown once, where it was made.

import { signal } from "@preact/signals";
import { account, callRest } from "./project.ts";

export type Scopes = { readonly read: readonly string[]; readonly write: readonly string[] };

export type ProjectKey = {
  readonly id: string;
  readonly name: string | null;
  readonly active: boolean;
  readonly created_at: string;
  /** As globs over the user's own keys; `undefined` for a row whose scopes memX refuses. */
  readonly own: Scopes | undefined;
};

type Row = Omit<ProjectKey, "own"> & { readonly scopes: unknown };

const COLUMNS = "id,name,active,scopes,created_at";

/** `undefined` until they are read. */
export const projectKeys = signal<readonly ProjectKey[] | undefined>(undefined);

/** @throws {Error} with one sentence for the person */
export async function readKeys(): Promise<void> {
  const rows = await callRest<Row[]>(`api_keys?select=${COLUMNS}&order=created_at.desc`);
  projectKeys.value = rows.map(({ scopes, ...row }) => ({ ...row, own: ownScopes(scopes) }));
}

/** Returns the new API key, which nothing can show again. @throws {Error} */
export async function createKey(name: string, scopes: Scopes): Promise<string> {
  if (!globalThis.crypto.subtle)
    throw new Error("Open this page over HTTPS or on localhost: only there can the browser hash the new API key.");
  const apiKey = `memx_${toBase64Url(crypto.getRandomValues(new Uint8Array(24)))}`;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(apiKey));
  const hash = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  await callRest(`api_keys?select=id`, {
    method: "POST",
    body: {
      name: name || null,
      key_hash: hash,
      scopes: { read: scopes.read.map(withNamespace), write: scopes.write.map(withNamespace) },
    },
  });
  await readKeys();
  return apiKey;
}

/** @throws {Error} */
export async function revokeKey(id: string): Promise<void> {
  const revoked = await callRest<unknown[]>(`api_keys?id=eq.${encodeURIComponent(id)}&select=id`, {
    method: "PATCH",
    body: { active: false },
  });
  if (revoked.length === 0) throw new Error("This API key is no longer there.");
  await readKeys();
}

/** A namespace is the first 8 characters of the user's id; a scope names it, and a person does not. */
function namespace(): string {
  return `${account.value?.userId.slice(0, 8) ?? ""}:`;
}

function withNamespace(glob: string): string {
  return namespace() + glob;
}

function ownScopes(scopes: unknown): Scopes | undefined {
  const { read, write } = Object(scopes) as { read?: unknown; write?: unknown };
  if (!isTexts(read) || !isTexts(write)) return undefined;
  const own = (globs: readonly string[]) =>
    globs.flatMap((glob) =>
      glob.startsWith(namespace()) ? [glob.slice(namespace().length)] : glob === "*" ? ["*"] : [],
    );
  return { read: own(read), write: own(write) };
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_");
}
