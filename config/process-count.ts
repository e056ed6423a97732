// Reads the setting of how many processes serve. Only `npm start` has it.

const MAX_PROCESSES = 64;

/**
 * @param processors what `auto` stands for
 * @throws {Error} with one sentence for the operator
 */
export function processCount(
  { PROCESSES, REDIS_URL }: { readonly PROCESSES?: string | undefined; readonly REDIS_URL?: string | undefined },
  processors: number,
): number {
  const count = PROCESSES === "auto" ? Math.min(processors, MAX_PROCESSES) : Number(PROCESSES || 1);
  if (!Number.isInteger(count) || count < 1 || count > MAX_PROCESSES) {
    throw new Error(`PROCESSES must be a whole number from 1 to ${MAX_PROCESSES}, or "auto" for one a processor.`);
  }
  if (count > 1 && !REDIS_URL) {
    throw new Error(`PROCESSES=${PROCESSES} needs REDIS_URL: only a Redis can be the store of several processes.`);
  }
  return count;
}
