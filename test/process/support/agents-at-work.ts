// What agents that share a key do, over HTTP and with any server: increments, appends, and the plain read and write
// that loses updates.

export type Send = (path: string, body?: object) => Promise<{ status: number; body: Record<string, unknown> }>;

/** Sends calls to one server. */
export function sender(url: string): Send {
  const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };
  return async (path, body) => {
    const init = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
    const response = await fetch(url + path, init);
    return { status: response.status, body: await response.json() };
  };
}

/** Runs all agents at once, each one step after the other. Returns how often an agent repeated a step. */
export async function allAtOnce(agents: number, steps: number, step: (agent: number, n: number) => Promise<boolean>) {
  let repeated = 0;
  const work = async (agent: number) => {
    for (let n = 0; n < steps; n++) while (!(await step(agent, n))) repeated++;
  };
  await Promise.all(Array.from({ length: agents }, (_, agent) => work(agent)));
  return { repeated };
}

/** Adds one. Returns `false` if memX gave up because too many agents patched the key. */
export async function increment(send: Send, key: string): Promise<boolean> {
  return succeeded(await send("/patch", { key, increment: { by: 1 } }));
}

export async function append(send: Send, key: string, item: string): Promise<boolean> {
  return succeeded(await send("/patch", { key, append: { items: [item] } }));
}

/** Increments without /patch: reads, adds one, and writes. */
export async function readAndSet(send: Send, key: string): Promise<boolean> {
  const { body } = await send(`/get?key=${key}`);
  const value = ((body as { value?: number } | null)?.value ?? 0) + 1;
  return succeeded(await send("/set", { key, value }));
}

export async function readValue(send: Send, key: string): Promise<unknown> {
  return (await send(`/get?key=${key}`)).body.value;
}

function succeeded({ status, body }: { status: number; body: object }): boolean {
  if (status === 200) return true;
  // memX changed nothing, because too many others patched the key. The agent tries again.
  if (status === 409) return false;
  throw new Error(`${status} ${JSON.stringify(body)}`);
}
