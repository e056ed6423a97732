// Replaces the parts of Supabase's client that memX never calls, to keep them out of the bundle: sign-in, channels, files, and
// functions. The client constructs channels and files, and by itself does nothing else with them.

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

export class FunctionsClient {
  constructor() {
    throw new Error("memX calls no functions.");
  }
}

/** The client exports these for callers that use files and functions. */
export class StorageApiError extends Error {}
export class FunctionsError extends Error {}
export class FunctionsFetchError extends FunctionsError {}
export class FunctionsHttpError extends FunctionsError {}
export class FunctionsRelayError extends FunctionsError {}
export const FunctionRegion = {};
