// Measures how long a returning subscriber waits for the 1,000 changes that it missed: from connecting to `ready`.

import { connect } from "node:net";
import { httpRequest, openConnection } from "./connection.ts";
import type { Contestant } from "./contestants/contestant.ts";
import { base64 } from "./contestants/etcd.ts";
import { handshake } from "./feeds.ts";
import { type ContestantName, type Headers, put } from "./operations.ts";
import { startAll } from "./start-all.ts";
import { median } from "./statistics.ts";

/** The median of each round, in milliseconds. */
export type Resume = { readonly feed: string; readonly contestant: string; readonly ms: number[] };

/** As many changes as the log of a namespace keeps. */
const MISSED = 1_000;

type Place = {
  readonly feed: string;
  readonly contestant: ContestantName;
  readonly pattern: boolean;
};

const PLACES: readonly Place[] = [
  { feed: "subscribe", contestant: "memX embedded", pattern: false },
  { feed: "watch", contestant: "memX embedded", pattern: true },
  { feed: "subscribe", contestant: "memX on Redis", pattern: false },
  { feed: "watch", contestant: "memX on Redis", pattern: true },
  { feed: "watch", contestant: "etcd", pattern: true },
];

let topics = 0;

export async function measureResume(
  { rounds, samples, etcd }: { rounds: number; samples: number; etcd: boolean },
  say: (line: string) => void,
): Promise<Resume[]> {
  const places = PLACES.filter(({ contestant }) => etcd || contestant !== "etcd");
  const results = places.map(({ feed, contestant }): Resume => ({ feed, contestant, ms: [] }));
  for (let round = 0; round < rounds; round++) {
    const { contestants, stop } = await startAll(new Set(places.map(({ contestant }) => contestant)));
    try {
      for (let turn = 0; turn < places.length; turn++) {
        const at = (turn + round) % places.length;
        const place = places[at] as Place;
        const contestant = contestants.get(place.contestant) as Contestant;
        const topic = `resume:${++topics}:`;
        const since = await writeMissed(place, topic, contestant);
        const request = resumeRequest(place, topic, since, contestant.headers);
        const times: number[] = [];
        // The first sample is slow for other reasons.
        for (let sample = 0; sample <= samples; sample++) {
          const ms = await resume(contestant.port, request, place.contestant === "etcd");
          if (sample > 0) times.push(ms);
        }
        results[at]?.ms.push(median(times));
      }
    } finally {
      await stop();
    }
    const shown = results.map(({ contestant, feed, ms }) => `${feed} ${contestant}: ${ms.at(-1)?.toFixed(1)} ms`);
    say(`resume, round ${round + 1} of ${rounds}: ${shown.join(", ")}`);
  }
  return results;
}

/** Writes the changes to miss, and returns the revision before them. */
async function writeMissed(
  { pattern, contestant }: Place,
  topic: string,
  { port, headers }: Contestant,
): Promise<number> {
  const connection = await openConnection(port);
  try {
    if (contestant === "etcd") {
      const first = await connection.send(put(topic));
      for (let n = 0; n < MISSED; n++) await connection.send(put(`${topic}${n}`));
      return Number(/"revision":"(\d+)"/.exec(first)?.[1]);
    }
    const first = await connection.send(httpRequest("POST", "/set", headers, { key: topic, value: -1 }));
    for (let from = 0; from < MISSED; from += 100) {
      const operations = Array.from({ length: 100 }, (_, n) => ({
        op: "set",
        key: pattern ? `${topic}${from + n}` : topic,
        value: from + n,
      }));
      await connection.send(httpRequest("POST", "/batch", headers, { operations }));
    }
    return Number(/"revision":(\d+)/.exec(first)?.[1]);
  } finally {
    connection.close();
  }
}

function resumeRequest(
  { pattern, contestant }: Place,
  topic: string,
  since: number,
  headers: Headers,
): string | Buffer {
  if (contestant === "etcd") {
    const range = { key: base64(topic), range_end: base64(topic.replace(/:$/, ";")), start_revision: since + 1 };
    return httpRequest("POST", "/v3/watch", {}, { create_request: range });
  }
  const path = pattern ? `/watch?pattern=${topic}*&since=${since}` : `/subscribe/${topic}?since=${since}`;
  return handshake(path, { ...headers, "sec-websocket-protocol": "memx.v1" });
}

function resume(port: number, request: string | Buffer, isEtcd: boolean): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const start = performance.now();
  let received = "";
  const socket = connect({ port, host: "127.0.0.1" }, () => socket.write(request));
  socket.setEncoding("latin1");
  socket.on("error", reject);
  socket.on("close", () => reject(new Error(`a subscriber was closed: ${received.slice(0, 500)}`)));
  socket.on("data", (chunk: string) => {
    received += chunk;
    // Counts changes only when the replay may be complete: most chunks are not the last.
    const changes = () => received.split(isEtcd ? '"kv":{' : '"event":"value"').length - 1;
    const complete = isEtcd ? changes() === MISSED : chunk.includes('"event":"ready"');
    if (!complete) return;
    const ms = performance.now() - start;
    socket.destroy();
    if (changes() === MISSED) resolve(ms);
    else reject(new Error(`expected ${MISSED} changes before \`ready\`, got ${changes()}`));
  });
  return promise;
}
