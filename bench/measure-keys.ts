// Measures the time of a page of /keys at the start and at the end of many keys. Run it by hand against a memX for
// tests only, because it writes the keys: node bench/measure-keys.ts http://127.0.0.1:8000 local_dev_key 100000

export {};

const [url = "http://127.0.0.1:8000", apiKey = "local_dev_key", count = "100000"] = process.argv.slice(2);
const headers = { "x-api-key": apiKey, "content-type": "application/json" };
const KEYS = Number(count);
const PAGES = 500;
const name = (n: number) => `measured:${String(n).padStart(9, "0")}`;

for (let from = 0; from < KEYS; from += 100) {
  const operations = Array.from({ length: 100 }, (_, n) => ({
    op: "set",
    key: name(from + n),
    value: { n: from + n },
  }));
  const response = await fetch(`${url}/batch`, { method: "POST", headers, body: JSON.stringify({ operations }) });
  if (!response.ok) throw new Error(await response.text());
}

/** Returns the milliseconds that a page of 100 keys after this key takes. */
async function timePage(after: string): Promise<number> {
  const cursor = Buffer.from(after).toString("base64url");
  const start = performance.now();
  const response = await fetch(`${url}/keys?prefix=measured:&cursor=${cursor}`, { headers });
  const { keys } = (await response.json()) as { keys: unknown[] };
  if (keys.length !== 100) throw new Error(`expected a page of 100 keys, got ${keys.length}`);
  return performance.now() - start;
}

const times = { start: [] as number[], end: [] as number[] };
for (let n = 0; n < 2 * PAGES; n++) {
  // In turn, so that both run under the same conditions.
  const pair = { start: await timePage(name(0)), end: await timePage(name(KEYS - 101)) };
  // The first pages are slow for other reasons.
  if (n < PAGES) continue;
  times.start.push(pair.start);
  times.end.push(pair.end);
}
for (const [place, all] of Object.entries(times)) {
  all.sort((a, b) => a - b);
  console.log(`${place}: median ${all[PAGES / 2]?.toFixed(2)} ms, 90 % ${all[PAGES * 0.9]?.toFixed(2)} ms`);
}
