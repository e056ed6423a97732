// Variables of the environment, where there is one.

/** `undefined` for a variable that is empty or not set, and where there are none, as in a browser. */
export function readEnvironment(name: string): string | undefined {
  try {
    const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
    return process?.env?.[name] || undefined;
  } catch {
    return undefined; // Deno without --allow-env.
  }
}
