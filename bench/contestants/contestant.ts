// What is measured, and beside what: a running server and what it needs on this machine.

export type Contestant = {
  readonly name: string;
  readonly port: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Processes that do its work. The first is the one that answers. */
  readonly pids: readonly number[];
  /** What it said last, for when something goes wrong. */
  output(): string;
  stop(): Promise<void>;
};

/** Until it answers with success. */
export async function answers(url: string, init?: RequestInit): Promise<void> {
  const response = await fetch(url, init);
  const body = await response.text();
  if (!response.ok) throw new Error(`${url}: ${response.status} ${body}`);
}
