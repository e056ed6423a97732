// Replaces the parts of Supabase's client that memX never calls, to keep them out of the bundle: sign-in, channels, and
// files. The client constructs each of them except the first, and by itself does nothing else with them.

export class AuthClient {
  constructor() {
    throw new Error("memX does not sign in users.");
  }
}

export class RealtimeClient {
  /** The client calls this once with its token when it starts. */
  setAuth(): void {}
}

export class StorageClient {}

/** The client exports this for callers that use files. */
export class StorageApiError extends Error {}
