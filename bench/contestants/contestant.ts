// A running server that the bench measures, with its processes on this machine.

export type Contestant = {
  readonly name: string;
  readonly port: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The processes that do its work. The first one responds to requests. */
  readonly pids: readonly number[];
  /** The end of its output, for error messages. */
  output(): string;
  stop(): Promise<void>;
};

/** A running store that the bench calls through the store's own client, on one connection. */
export type KeyValue = Omit<Contestant, "port" | "headers"> & {
  /** @throws {Error} unless the key has its value */
  get(key: string): Promise<void>;
  set(key: string, text: string): Promise<void>;
};

/** @throws {Error} unless the server responds with success */
export async function expectOk(url: string, init?: RequestInit): Promise<void> {
  const response = await fetch(url, init);
  const body = await response.text();
  if (!response.ok) throw new Error(`${url}: ${response.status} ${body}`);
}
