// Takes the place of @supabase/auth-js in the bundle: a client that brings its own token never signs anybody in.

export class AuthClient {
  constructor() {
    throw new Error("memX signs nobody in.");
  }
}
