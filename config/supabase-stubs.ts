// Takes the place of those parts of Supabase's client in the bundle that memX never calls: signing users in, its channels, and
// its files. The client makes one of each but the first, and does nothing with them by itself.

export class AuthClient {
  constructor() {
    throw new Error("memX signs nobody in.");
  }
}

export class RealtimeClient {
  /** Told of the token that the client was given, at its beginning. */
  setAuth(): void {}
}

export class StorageClient {}

/** Named by the client, for those who use files. */
export class StorageApiError extends Error {}
