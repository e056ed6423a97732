// Turns the bytes of a request into a checked object, or into an error that says what is wrong with it.

import { bodyLimit } from "hono/body-limit";
import { createMiddleware } from "hono/factory";
import { LIMITS } from "../../config/limits.ts";
import { ApiError } from "../../memory/errors.ts";
import { isLonger, type JsonDocument, JsonTextError, parseJsonText } from "../../memory/json-text.ts";
import { pointerStep, unescapeStep } from "../../memory/pointer-escape.ts";
import { requestVariables } from "../../memory/request-context.ts";
import { WorkExceeded } from "../../memory/schemas/work-meter.ts";
import type { FieldError, JsonText } from "../../sdk/protocol.ts";
import type { CallContext } from "../app-env.ts";
import type { RequestShape } from "./shapes.ts";

/** A body up to this size needs nothing of the namespace's share of time: the rate limit bounds how many there are. */
const SMALL_BODY_BYTES = 8 * 1024;

/** What memX parses and checks in about a microsecond: bytes of JSON, and items and members. */
const PARSED_IN_A_STEP = 32;
const PARTS_IN_A_STEP = 4;

type RequestOf = Pick<CallContext, "req">;

const limitSize = bodyLimit({
  maxSize: LIMITS.maxBodyBytes,
  onError: () => {
    throw new ApiError("too_large", `The body is larger than ${LIMITS.maxBodyBytes} bytes.`);
  },
});

/** Refuses a body past the limit before it is in memory, whether or not the request announces its length. */
export const limitBody = createMiddleware(async (c, next) => {
  // Reads a body whose length is not announced.
  await received(limitSize(c, async () => {}));
  await next();
});

/**
 * Returns the bytes of the body.
 * @throws {ApiError} `invalid_request` if the client goes away before the end of its body, `rate_limited`
 */
export async function readBytes(c: RequestOf): Promise<ArrayBuffer> {
  // Before the body is read, if its length is announced.
  if (Number(c.req.header("content-length")) > SMALL_BODY_BYTES) requestVariables().workShare?.require();
  const bytes = await received(c.req.arrayBuffer());
  countReceived(bytes.byteLength);
  return bytes;
}

/**
 * Takes the steps that parsing a body costs from the namespace's share of time.
 * @throws {ApiError} `rate_limited`
 */
export function countReceived(bytes: number): void {
  const { workShare } = requestVariables();
  if (bytes > SMALL_BODY_BYTES) workShare?.require();
  workShare?.spend(bytes / PARSED_IN_A_STEP);
}

/** A client that goes away in the middle of its body, or breaks its framing, is no defect of memX: nothing is logged. */
async function received<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    // A TypeError means that the body was read twice.
    if (error instanceof ApiError || error instanceof TypeError) throw error;
    throw new ApiError("invalid_request", "The body broke off before its end.");
  }
}

/**
 * Returns the media type of the body, one of `accepted`.
 * @throws {ApiError} `unsupported_media_type`
 */
export function mediaTypeOf(c: RequestOf, accepted: readonly string[]): string {
  const mediaType = c.req.header("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (!accepted.includes(mediaType)) {
    const detail = `The body must be JSON, with the header content-type: ${accepted.join(" or ")}.`;
    throw new ApiError("unsupported_media_type", detail);
  }
  return mediaType;
}

/** How deep a body may be. */
export type BodyDepth = {
  /** Arrays and objects of the body around a value, which do not count toward the value's own depth. @default 1 */
  readonly levelsAboveValue?: number;
};

/**
 * Returns the checked JSON body, and the text of each of its members.
 * @throws {ApiError} `unsupported_media_type`, `invalid_request`
 */
export async function readBody<T extends object>(
  c: RequestOf,
  shape: RequestShape<T>,
  depth: BodyDepth = {},
): Promise<{ body: T; members: JsonDocument["members"] }> {
  mediaTypeOf(c, ["application/json"]);
  return readBodyText(await readText(c), shape, depth);
}

/**
 * The same of a body that is a text already.
 * @throws {ApiError} `invalid_request`
 */
export function readBodyText<T extends object>(
  text: string,
  shape: RequestShape<T>,
  { levelsAboveValue = 1 }: BodyDepth = {},
): { body: T; members: JsonDocument["members"] } {
  const { value, members } = parseBody(text, LIMITS.maxJsonDepth + levelsAboveValue);
  return { body: checked(shape, value, "body"), members };
}

/**
 * For a body whose text was read as a part of another.
 * @throws {ApiError} `invalid_request`
 */
export function requireDepth(depth: number, { levelsAboveValue = 1 }: BodyDepth): void {
  const maxDepth = LIMITS.maxJsonDepth + levelsAboveValue;
  if (depth > maxDepth) throw new ApiError("invalid_request", `The body has more than ${maxDepth} levels of nesting.`);
}

/** @throws {ApiError} `unsupported_media_type` */
export function requireJson(c: RequestOf): void {
  mediaTypeOf(c, ["application/json"]);
  requireNoEncoding(c);
}

/**
 * Returns the text of a body that is any JSON, without the white space around it.
 * @throws {ApiError} `unsupported_media_type`, `invalid_request`
 */
export async function readDocument(c: RequestOf, maxDepth: number): Promise<JsonText> {
  const text = await readText(c);
  parseBody(text, maxDepth);
  return text.trim();
}

async function readText(c: RequestOf): Promise<string> {
  requireNoEncoding(c);
  return decodeUtf8(await readBytes(c));
}

function requireNoEncoding(c: RequestOf): void {
  const encoding = c.req.header("content-encoding") ?? "identity";
  if (encoding.toLowerCase() !== "identity") {
    throw new ApiError("unsupported_media_type", "The body must not have a content-encoding.");
  }
}

/**
 * Returns the text of one member of a body.
 * @throws {ApiError} `too_large`
 */
export function limitText(members: JsonDocument["members"], name: string, maxBytes: number): JsonText {
  const text = members.get(name);
  if (text === undefined) throw new Error(`the body was not checked to have a "${name}"`);
  if (isLonger(text, maxBytes))
    throw new ApiError("too_large", `The ${name} is larger than ${maxBytes} bytes of JSON.`);
  return text;
}

/**
 * Returns the checked query. Only parameters that are arrays may be repeated.
 * @throws {ApiError} `invalid_request`
 */
export function readQuery<T extends object>(url: string, shape: RequestShape<T>, extra: object = {}): T {
  const query: Record<string, string | string[]> = { __proto__: null, ...extra } as never;
  const start = url.indexOf("?");
  for (const parameter of start < 0 ? [] : url.slice(start + 1).split("&")) {
    if (parameter === "") continue;
    const [name = "", ...value] = parameter.replaceAll("+", " ").split("=");
    const decoded = decodePercent(name);
    const text = decodePercent(value.join("="));
    const before = query[decoded];
    if (Array.isArray(before)) before.push(text);
    else if (isRepeatable(shape, decoded)) query[decoded] = [text];
    else if (before === undefined) query[decoded] = text;
    else throw invalid("query", [{ path: pointerStep(decoded), message: "Must not be given more than once." }]);
  }
  return checked(shape, query, "query");
}

/**
 * Strict: the platform's own decoding would turn bytes that are not UTF-8 into U+FFFD, and so one key into another.
 * @throws {ApiError} `invalid_request`
 */
export function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ApiError("invalid_request", "The URL contains percent-encoded bytes that are not valid UTF-8.");
  }
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** @throws {ApiError} `invalid_request` */
export function decodeUtf8(bytes: ArrayBuffer): string {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw new ApiError("invalid_request", "The body is not valid UTF-8.");
  }
}

function parseBody(text: string, maxDepth: number): JsonDocument {
  try {
    const document = parseJsonText(text, { maxDepth });
    requestVariables().workShare?.spend(document.parts / PARTS_IN_A_STEP);
    return document;
  } catch (error) {
    if (error instanceof JsonTextError) throw new ApiError("invalid_request", `The body ${error.message}.`);
    throw error;
  }
}

/**
 * Returns the input if it has the shape.
 * @param part of the request, for the message
 * @throws {ApiError} `invalid_request`, `too_complex`
 */
export function checked<T extends object>(shape: RequestShape<T>, input: unknown, part: string): T {
  const errors = new Map<string, FieldError>();
  for (const error of checkShape(shape, input, part)) {
    const message = unknownField(shape, error) ?? expected(shape, error) ?? error.message;
    // Several rules of one field can have the same message.
    errors.set(`${error.path} ${message}`, { ...error, message });
  }
  if (errors.size > 0) throw invalid(part, [...errors.values()]);
  const tooLong = keyError((input as { key?: string }).key ?? "", "/key");
  if (tooLong) throw invalid(part, [tooLong]);
  return input as T;
}

/** Most valid requests take no steps, because the quick check accepts them. */
function checkShape(shape: RequestShape<unknown>, input: unknown, part: string): readonly FieldError[] {
  try {
    return shape.check(input);
  } catch (error) {
    if (!(error instanceof WorkExceeded)) throw error;
    throw new ApiError("too_complex", `The ${part} is not valid, or too large to find out.`);
  }
}

/** JSON Schema counts characters; an index row and a URL count bytes. */
export function keyError(key: string, path: string): FieldError | undefined {
  if (!isLonger(key, LIMITS.maxKeyBytes)) return undefined;
  return { path, message: `Must not be longer than ${LIMITS.maxKeyBytes} bytes of UTF-8.` };
}

function isRepeatable({ schema }: RequestShape<unknown>, name: string): boolean {
  const { properties } = schema as { properties: Record<string, { type?: string }> };
  return Object.hasOwn(properties, name) && properties[name]?.type === "array";
}

/** For a field that the call does not take, probably misspelt: the fields that it takes. */
function unknownField({ schema }: RequestShape<unknown>, { path }: FieldError): string | undefined {
  const fields = Object.keys((schema as { properties: object }).properties);
  if (path === "" || fields.some((field) => path === `/${field}` || path.startsWith(`/${field}/`))) return undefined;
  return `Unknown field. This call takes only ${fields.join(", ")}.`;
}

type Field = {
  readonly description?: string;
  readonly pattern?: string;
  readonly anyOf?: unknown;
  readonly properties?: Readonly<Record<string, Field>>;
  readonly items?: Field;
};

/** For a field with a pattern or several types: the first sentence of its description, instead of the rules it breaks. */
function expected({ schema }: RequestShape<unknown>, { path }: FieldError): string | undefined {
  const names = path.split("/").slice(1).map(unescapeStep);
  const field = names.reduce<Field>(
    ({ items, properties = {} }, name) => items ?? ((Object.hasOwn(properties, name) && properties[name]) || {}),
    schema as Field,
  );
  if ((field.pattern === undefined && field.anyOf === undefined) || field.description === undefined) return undefined;
  const [firstSentence = ""] = field.description.split(/(?<=\.) /, 1);
  return `Must be ${firstSentence.charAt(0).toLowerCase()}${firstSentence.slice(1)}`;
}

/** The request is not valid; `errors` says where. */
export function invalid(part: string, errors: readonly FieldError[]): ApiError {
  const summary = errors.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`)).join(" ");
  return new ApiError("invalid_request", `The ${part} is not valid. ${summary}`, { errors });
}
