// Why a Redis that responds refuses a write, judged by the first words of its error, which Redis and Upstash keep stable.

/** `full` if it has no room, `read_only` if it takes no write at all, `undefined` if the error is about something else. */
export function refusedWrite(error: string): "full" | "read_only" | undefined {
  // At `maxmemory`; Upstash at the limit of its plan; a disk without room for the log of commands.
  if (/^(OOM |ERR DB capacity quota exceeded|MISCONF .*No space left)/.test(error)) return "full";
  // A replica; a Redis that cannot save, or that has too few replicas.
  if (/^(READONLY |MISCONF |NOREPLICAS )/.test(error)) return "read_only";
  return undefined;
}
