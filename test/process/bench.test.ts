// Runs the bench as briefly as possible to show that it works. These tests do not judge speed.

import { execFile } from "node:child_process";
import { copyFileSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { runCallSocket } from "../../bench/call-socket.ts";
import { type Place, places } from "../../bench/connect.ts";
import { httpRequest } from "../../bench/connection.ts";
import { findNats } from "../../bench/contestants/nats.ts";
import { openSubscribers } from "../../bench/delivery.ts";
import { runLoad } from "../../bench/load.ts";
import { OPERATIONS } from "../../bench/operations.ts";
import { rewritePage } from "../../bench/report.ts";
import { type Results, withEarlier, writeResults } from "../../bench/results.ts";
import { medianRatio } from "../../bench/statistics.ts";
import { judge } from "../../bench/targets.ts";
import { isLong } from "../support/long-runs.ts";
import { dataFolder } from "./support/dev-server.ts";

const run = promisify(execFile);

/** Some targets of each part, which fail to be judged if the run names what it measures otherwise. */
const JUDGED = [
  "get, of the floor's empty call",
  "set, Redis, of the bare EVALSHA Worker",
  "p50 of a get by socket, one at a time, of HTTP",
  "set by socket, Redis, 64 in flight, of HTTP",
  "rows written by a set with a subscriber",
  "rows written by an event at a channel",
  "KiB of the bundle without MCP, gzip",
];

it("measures every operation on memX and the floor, and writes every table into the page", {
  tags: ["long"],
}, async () => {
  const out = dataFolder();
  // The tests do not install etcd and NATS. dist/ exists already.
  const compared = { etcd: false, nats: findNats() !== undefined };
  const options = ["--quick", "--no-etcd", "--no-build", "--out", out];
  if (!compared.nats) options.push("--no-nats");
  // The other parts take most of the time.
  if (!isLong) options.push("--only", "throughput,connect,resume,calls,size");
  const { stdout } = await run(process.execPath, ["bench/run.ts", ...options]);
  expect(stdout).toContain("| set, of the floor's empty call");

  const results: Results = JSON.parse(readFileSync(join(out, "results.json"), "utf8"));
  const measured = results.throughput?.map(({ operation, contestant }) => `${operation} on ${contestant}`);
  const offered = OPERATIONS.flatMap(({ name, on }) =>
    Object.keys(on)
      .filter((contestant) => contestant !== "etcd")
      .map((contestant) => `${name} on ${contestant}`),
  );
  expect(measured?.toSorted()).toEqual(offered.toSorted());
  for (const { perSecond, p50Ms } of results.throughput ?? []) {
    expect(perSecond).toEqual([expect.any(Number)]);
    expect(p50Ms[0]).toBeGreaterThan(0);
  }
  const placeOf = ({ operation, contestant, way, connections, inFlight }: Place) =>
    `${operation} ${contestant} ${way} ${connections} × ${inFlight}`;
  expect(results.connect?.map(placeOf)).toEqual(places(compared).map(placeOf));
  for (const { perSecond, p50Ms, serverMicros } of results.connect ?? []) {
    for (const [number] of [perSecond, p50Ms, serverMicros]) expect(number).toBeGreaterThan(0);
  }
  expect(results.resume).toHaveLength(4);
  if (isLong) {
    expect(
      results.delivery?.map(({ contestant, feed, subscribers }) => `${contestant} ${feed} ${subscribers}`),
    ).toEqual(
      expect.arrayContaining([
        "memX embedded subscribe 0",
        "memX embedded subscribe 20",
        "memX on Redis watch 1",
        "floor broadcast 20",
      ]),
    );
    expect(results.sockets).toHaveLength(3);
    expect(results.relays).toHaveLength(8);
    expect(results.growth?.map(({ keys }) => keys)).toEqual([100, 300, 100, 300]);
  }
  // As docs/architecture.md promises: a set or get costs one call or one request.
  const calls = (what: string, contestant: string) =>
    results.calls?.find((counted) => counted.what === what && counted.contestant === contestant);
  for (const what of ["set, one key", "get, one key"]) {
    expect(calls(what, "memX embedded")).toMatchObject({ durableObjectCalls: 1, redisRequests: 0 });
    expect(calls(what, "memX on Redis")).toMatchObject({ durableObjectCalls: 0, redisRequests: 1 });
  }
  // As docs/costs.md charges: a set writes two rows, and the channel that announces it none.
  for (const what of ["set, one key", "set, with a subscriber"]) {
    expect(calls(what, "memX embedded")).toMatchObject({ storeRows: 2, channelRows: 0 });
    expect(calls(what, "memX on Redis")).toMatchObject({ storeRows: 0, channelRows: 0 });
  }
  const judged = judge(results).filter(({ measured }) => measured !== undefined);
  expect(judged.map(({ what }) => what)).toEqual(expect.arrayContaining(JUDGED));

  const page = join(out, "performance.md");
  copyFileSync("docs/performance.md", page);
  rewritePage(page, results);
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  expect(readFileSync(page, "utf8")).toContain(`memX ${version}, node ${process.versions.node}`);
});

it("keeps parts that a later run did not measure", () => {
  const machine = { date: "", processors: "", memoryGiB: 1, system: "", loadBefore: 0, versions: {} };
  const size = { bundleBytes: 2, bundleGzipBytes: 1, mcpBytes: 2, mcpGzipBytes: 1, startMs: 80.123456 };
  writeResults({ machine, connections: 16, size, resume: [] }, dataFolder());
  const later: Results = { machine, connections: 16, size: { ...size, startMs: 70 } };
  expect(withEarlier(later, dataFolder())).toEqual({
    machine,
    connections: 16,
    size: { ...size, startMs: 70 },
    resume: [],
  });
});

it("judges a target by the median of each round's ratio", () => {
  expect(medianRatio([10, 200, 3], [10, 100, 1])).toBe(2);
  const rates = (operation: string, contestant: string, perSecond: number[]) => ({
    ...{ operation, contestant, perSecond, p50Ms: [], p99Ms: [], serverMicros: [], allMicros: [], loadMicros: [] },
  });
  const machine = { date: "", processors: "", memoryGiB: 1, system: "", loadBefore: 0, versions: {} };
  const of = (get: number[]) => {
    const throughput = [rates("get", "memX embedded", get), rates("call", "floor", [100, 1_000, 10])];
    return judge({ machine, connections: 16, throughput })[0];
  };
  expect(of([90, 900, 1])).toMatchObject({ measured: 0.9, reached: true });
  expect(of([89, 900, 1])).toMatchObject({ measured: 0.89, reached: false });
  expect(judge({ machine, connections: 16 })[0]).toMatchObject({ measured: undefined, reached: undefined });
});

it.each([
  ["an error", 503, '{"ok":true}', "the status is not 200"],
  ["a wrong response", 200, '{"ok":false}', "not ok"],
])("stops at %s instead of counting it", async (_, status, body, reason) => {
  let responses = 0;
  const server = createServer((_, response) => {
    // The first responses are correct.
    const good = ++responses < 20;
    response.writeHead(good ? 200 : status).end(good ? '{"ok":true}' : body);
  }).listen(0, "127.0.0.1");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise((resolve) => server.once("listening", resolve));
  const load = runLoad({
    port: (server.address() as AddressInfo).port,
    connections: 2,
    seconds: 60,
    warmUpSeconds: 0,
    request: () => httpRequest("GET", "/", {}),
    check: (body) => (body.includes('"ok":true') ? undefined : "not ok"),
  });
  await expect(load).rejects.toThrow(reason);
});

it("judges a delivery by a set alone and the bare broadcast of the same round", () => {
  const machine = { date: "", processors: "", memoryGiB: 1, system: "", loadBefore: 0, versions: {} };
  const times = (contestant: string, feed: string, subscribers: number, lastMs: number[]) => ({
    ...{ contestant, feed, subscribers, lastMs, firstMs: lastMs, serverMicros: [], subscriberMicros: [] },
  });
  const delivery = [
    times("memX embedded", "subscribe", 0, [2, 20, 200]),
    times("floor", "broadcast", 1, [1, 10, 100]),
    times("memX embedded", "subscribe", 1, [3, 33, 600]),
  ];
  const [judged] = judge({ machine, connections: 16, delivery }).filter(({ what }) => what.includes("a set alone"));
  expect(judged?.measured).toBeCloseTo(1.1);
  expect(judged?.reached).toBe(true);
});

it.each([
  ["an error", '{"id":2,"status":503,"body":{"ok":true}}', "wrong answer"],
  ["an answer without the value", '{"id":2,"status":200,"body":{}}', "wrong answers"],
  ["an answer to no call", '{"id":9,"status":200,"body":{"ok":true}}', "wrong answer"],
])("stops the load on a socket at %s", async (_, wrong, reason) => {
  const frame = (text: string) => Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]);
  const server = createTcpServer((socket) => {
    socket.on("error", () => undefined);
    socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
    socket.write(frame('{"id":1,"status":200,"body":{"ok":true}}'));
    socket.write(frame(wrong));
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  const calls = [{ call: "get", body: { key: "a" } }];
  let count = 0;
  const load = runCallSocket(
    { port, headers: {}, inFlight: 2, calls, answer: '"ok":true' },
    { stopping: false, done: () => void count++ },
  );
  await expect(load).rejects.toThrow(reason);
  expect(count).toBe(1);
});

it("fails if a subscriber receives a message twice", async () => {
  const sockets: Socket[] = [];
  const server = createTcpServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    socket.write("open;");
  }).listen(0, "127.0.0.1");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  const crowd = await openSubscribers({
    port,
    count: 2,
    requests: ["hello"],
    opened: "open;",
    pattern: "message (\\d+);",
    base64: false,
    webSocket: false,
  });
  const first = crowd.reached(1);
  // In pieces, as the network may deliver it.
  sockets[0]?.write("messa");
  sockets[1]?.write("message 1;");
  sockets[0]?.write("ge 1;");
  await expect(first).resolves.toMatchObject({ message: 1 });
  const second = crowd.reached(2);
  sockets[0]?.write("message 1;");
  await expect(second).rejects.toThrow(/the subscribers exited: .*message 1/);
});
