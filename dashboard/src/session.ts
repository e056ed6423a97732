// Who is signed in. The API key is in this tab's session storage and nowhere else; signing out forgets it.

import { signal } from "@preact/signals";
import { MemxError } from "../../sdk/typescript/index.ts";
import { changesReader } from "./keys/changes.ts";
import { Memory, openClient } from "./keys/memory.ts";

const STORED = "memx-api-key";

export const memory = signal<Memory | undefined>(undefined);
/** `checking` while the page asks memX about an API key. */
export const signIn = signal<{ readonly state: "idle" | "checking"; readonly problem?: string }>({ state: "idle" });

export function storedKey(): string | null {
  return sessionStorage.getItem(STORED);
}

export async function signInWith(apiKey: string): Promise<boolean> {
  signIn.value = { state: "checking" };
  try {
    const memx = openClient(apiKey);
    const whoami = await memx.whoami();
    memory.value?.close();
    memory.value = new Memory(memx, whoami, changesReader(apiKey));
    sessionStorage.setItem(STORED, apiKey);
    signIn.value = { state: "idle" };
    return true;
  } catch (error) {
    const { code } = error as MemxError;
    if (code === "invalid_api_key" || code === "missing_api_key") sessionStorage.removeItem(STORED);
    signIn.value = { state: "idle", problem: adviceFor(error) };
    return false;
  }
}

export function signOut(): void {
  sessionStorage.removeItem(STORED);
  memory.value?.close();
  memory.value = undefined;
  signIn.value = { state: "idle" };
}

/** What went wrong and what to do about it, for people. */
export function adviceFor(error: unknown): string {
  if (!(error instanceof MemxError)) return (error as Error).message;
  switch (error.code) {
    case "invalid_api_key":
    case "missing_api_key":
      return "memX does not know this API key. Check it for missing characters, or ask the operator for a new one.";
    case "forbidden":
      return `${error.message} Sign in with an API key whose scopes match this key.`;
    case "network":
    case "timeout":
    case "unexpected_answer":
      return "memX cannot be reached. Check that it is running and that this computer is online, then try again.";
    case "rate_limited":
      return "This API key makes too many calls. Wait ten seconds, then try again.";
    case "store_unavailable":
      return "memX runs, but its store does not respond. Try again in a moment; if it stays so, tell the operator.";
    case "too_large":
      return `${error.message} Make it smaller, or split it over several keys.`;
    default:
      return error.message;
  }
}
