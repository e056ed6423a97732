// Measures what a page of /keys costs at the start and at the end of many keys. Run by hand against a memX of one's own, for it
// fills it: node scripts/measure-keys.ts http://127.0.0.1:8000 local_dev_key 100000

export {};

const [url = "http://127.0.0.1:8000", apiKey = "local_dev_key", count = "100000"] = process.argv.slice(2);
const headers = { "x-api-key": apiKey, "content-type": "application/json" };
const KEYS = Number(count);
const PAGES = 200;
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

/** In milliseconds, of pages of 100 keys after that key. */
async function timePages(after: string): Promise<number[]> {
  const cursor = Buffer.from(after).toString("base64url");
  const times: number[] = [];
  for (let n = 0; n < PAGES; n++) {
    const start = performance.now();
    const response = await fetch(`${url}/keys?prefix=measured:&cursor=${cursor}`, { headers });
    const { keys } = (await response.json()) as { keys: unknown[] };
    times.push(performance.now() - start);
    if (keys.length !== 100) throw new Error(`a page of ${keys.length} keys`);
  }
  return times.sort((a, b) => a - b);
}

const places = { start: name(0), end: name(KEYS - 101) };
await timePages(places.start);
for (let round = 1; round <= 3; round++) {
  for (const [place, after] of Object.entries(places)) {
    const times = await timePages(after);
    console.log(
      `${round}. ${place}: median ${times[PAGES / 2]?.toFixed(2)} ms, 90 % ${times[PAGES * 0.9]?.toFixed(2)} ms`,
    );
  }
}
