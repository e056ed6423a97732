// The SDK and the server agree with sdk/samples.json, as the clients in every language do.

import { describe, expect, it, onTestFinished, vi } from "vitest";
import { compileGlob as compileOnServer } from "../../memory/access/glob.ts";
import {
  type Change,
  CLOSE_CODES,
  type Details,
  ERROR_STATUS,
  type ErrorCode,
  encodeCurrent,
  encodeEvent,
  encodeReady,
  encodeReset,
  RENEW,
  SOCKET_CALLS,
  SUBPROTOCOL,
  splitFrame,
} from "../../sdk/protocol.ts";
import samples from "../../sdk/samples.json";
import { readAnswer } from "../../sdk/typescript/call-message.ts";
import { readFrame } from "../../sdk/typescript/events.ts";
import { compileGlob } from "../../sdk/typescript/glob.ts";
import { MemxError, type ValueSet } from "../../sdk/typescript/index.ts";
import { readOptions } from "../../sdk/typescript/options.ts";
import { isFinal, readErrorResponse, readRefusal } from "../../sdk/typescript/read-error.ts";
import { Socket } from "../../sdk/typescript/socket.ts";
import { encodeAnswer } from "../../worker/calls/answer.ts";
import { type Message, readMessage, targetOf } from "../../worker/connect/read-message.ts";
import { socketCall } from "../../worker/connect/socket-calls.ts";
import { isAgentName } from "../../worker/request/agent-name.ts";
import { findApiKey } from "../../worker/request/find-api-key.ts";

describe("the SDK", () => {
  it.each(samples.events)("reads $text", ({ text, means, json }) => {
    const frame = readFrame(text);
    if (means === "nothing") expect(frame).toBeUndefined();
    else if (means !== "change") expect(frame).toEqual({ event: means, revision: JSON.parse(text).revision });
    else {
      const { value, schema, ...rest } = frame as Partial<ValueSet> & { schema?: unknown };
      expect(rest).toMatchObject({ key: expect.any(String), ts: expect.any(Number), revision: expect.any(Number) });
      const detailsOf = ({ created, expires, by }: Details) => [created, expires, by];
      expect(detailsOf(rest)).toEqual(detailsOf(JSON.parse(text)));
      const subject = rest.event === "value" ? value : schema;
      expect(subject).toEqual(typeof json === "string" ? JSON.parse(json) : undefined);
    }
  });

  it.each([
    ...samples.problems.map((each) => ({ ...each, body: JSON.stringify({ ...each, title: "T", detail: "D" }) })),
    ...samples.responses,
  ])("reads $status $body", ({ status, body, code, error: name, retry }) => {
    const error = readErrorResponse(new Response(body, { status }), body, { key: "a", baseUrl: "http://memx" });
    expect(error).toBeInstanceOf(MemxError);
    expect(error).toMatchObject({ name: `${name}Error`, code, status, key: "a" });
    expect(isFinal(error)).toBe(!retry);
    if (body.includes('"current"')) expect(error).toMatchObject({ current: JSON.parse(body).current });
    if (body.includes('"errors"')) expect(error.errors).toEqual(JSON.parse(body).errors);
  });

  it.each(samples.retryAfter.samples)("reads Retry-After: $header", ({ header, seconds }) => {
    vi.spyOn(Date, "now").mockReturnValue(Date.parse(samples.retryAfter.now));
    onTestFinished(() => void vi.restoreAllMocks());
    const response = new Response("", { status: 503, headers: { "retry-after": header } });
    expect(readErrorResponse(response, "", { baseUrl: "http://memx" }).retryAfterMs).toBe(
      seconds === null ? undefined : Number(seconds) * 1_000,
    );
  });

  it.each(samples.closes)("reads close code $code", ({ code, final, errors: codes }) => {
    const refusal = readRefusal(code, "why");
    expect(refusal !== undefined).toBe(final);
    if (codes) expect(codes).toContain(refusal?.code);
  });

  it.each(samples.apiKeys)("encodes the API key $apiKey", ({ apiKey, subprotocol }) => {
    let offered: string[] = [];
    class FakeSocket {
      constructor(_: string, protocols: string[]) {
        offered = protocols;
      }
      addEventListener() {}
      send() {}
      close() {}
    }
    const handlers = { onChange() {}, onReady() {}, onReset() {}, onEnd() {} };
    new Socket(FakeSocket, "http://memx/watch", { ...readOptions({}), apiKey }, handlers).close();
    expect(offered).toEqual([SUBPROTOCOL, subprotocol]);
  });
});

describe("the server", () => {
  it.each(samples.events.filter(({ sent }) => sent !== false))("sends $text", ({ text, means, json = null }) => {
    const { value, schema, ...rest } = JSON.parse(text);
    if (means === "ready") expect(encodeReady(rest.revision)).toBe(text);
    else if (means === "reset") expect(encodeReset(rest.revision)).toBe(text);
    else expect(encodeEvent({ ...rest, json } satisfies Change)).toBe(text);
  });

  it.each(samples.entries)("sends $text", ({ text, json, ts, revision, ...details }) => {
    expect(encodeCurrent("value", { text: json, ts, revision, ...details })).toBe(text);
    expect(JSON.parse(text)).toEqual({ value: JSON.parse(json), ts, revision, ...details });
  });

  it("has the error codes of the samples, with their statuses", () => {
    const statuses = Object.entries(ERROR_STATUS).map(([code, [status]]) => [code, status]);
    expect(samples.problems.map(({ code, status }) => [code, status])).toEqual(statuses);
  });

  it("closes with the codes of the samples", () => {
    const pairs = samples.closes.flatMap(({ code, errors = [] }) => errors.map((error) => [error, code]));
    expect(Object.fromEntries(pairs) satisfies Record<ErrorCode, number>).toEqual(CLOSE_CODES);
    expect(samples.closes.filter(({ final }) => final).map(({ code }) => code)).toEqual([
      ...new Set(Object.values(CLOSE_CODES)),
    ]);
  });

  it.each(samples.apiKeys)("reads the API key $apiKey", ({ apiKey, subprotocol }) => {
    expect(findApiKey(new Headers({ "sec-websocket-protocol": `${SUBPROTOCOL}, ${subprotocol}` }))).toBe(apiKey);
  });
});

describe("a socket of calls", () => {
  it.each(samples.calls)("reads $text", ({ text, id, call, method, target, body = "" }) => {
    const message = readMessage(text) as Message;
    expect(message).toMatchObject({ id, call });
    expect(SOCKET_CALLS[message.call]).toBe(`${method} ${target.split("?")[0]}`);
    // What an idempotency key covers is the same as over HTTP.
    expect(targetOf(message, socketCall(message.call).operation)).toEqual({ target: `${method} ${target}`, body });
  });

  it.each(samples.answers)("sends $text", ({ text, id, status, retry, revision, body }) => {
    expect(`{"id":${id},${encodeAnswer({ status, text: body, retry, revision })}}`).toBe(text);
  });

  it.each(samples.answers)("has the client read $text", ({ text, id, status, retry, revision, body }) => {
    const retryAfterMs = retry === undefined ? undefined : retry * 1_000;
    expect(readAnswer(text)).toEqual({ id, reply: { status, text: body, retryAfterMs, revision } });
  });

  it.each(samples.frames)("splits $frame", ({ frame, texts }) => {
    expect(splitFrame(frame)).toEqual(texts);
    expect(texts).toContain(RENEW);
  });
});

it.each(samples.agents)("$name is a name for a writer: $valid", ({ name, valid }) => {
  expect(isAgentName(name)).toBe(valid);
  const options = () => readOptions({ apiKey: "a", agent: name });
  if (valid) expect(options().agent).toBe(name);
  else expect(options).toThrow(TypeError);
});

it.each(samples.globs)("the glob $pattern matches $key: $matches", ({ pattern, key, matches }) => {
  expect(compileGlob(pattern)(key)).toBe(matches);
  expect(compileOnServer(pattern)(key)).toBe(matches);
});
