// What this memX says about itself to every page: the API key of development, and the Supabase project, if there are any.

import { signal } from "@preact/signals";

export type Config = {
  readonly apiKey?: string;
  readonly supabase?: { readonly url: string; readonly anonKey: string };
  /** Why the settings cannot be used. */
  readonly problem?: string;
};

/** `isLoaded` once memX has said it. */
export const config = signal<Config & { readonly isLoaded?: boolean }>({});

export async function loadConfig(): Promise<void> {
  try {
    const response = await fetch("/dashboard/config.json");
    const body = (await response.json()) as Config & { readonly detail?: string };
    config.value = {
      isLoaded: true,
      ...(response.ok ? body : { problem: body.detail ?? "memX did not send its settings." }),
    };
  } catch {
    // Without them, one can still sign in with an API key.
    config.value = { isLoaded: true };
  }
}
