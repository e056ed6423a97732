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

/** @throws {Error} unless the server responds with success */
export async function expectOk(url: string, init?: RequestInit): Promise<void> {
  const response = await fetch(url, init);
  const body = await response.text();
  if (!response.ok) throw new Error(`${url}: ${response.status} ${body}`);
}
