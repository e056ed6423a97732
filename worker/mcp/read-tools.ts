// The tools that read: values, keys, changes, schemas.

import { authorize } from "../../memory/access/principal.ts";
import { readReadableKeys } from "../../memory/access/readable-keys.ts";
import { entryOf } from "../../memory/store/entry-read.ts";
import { openStore } from "../../memory/store/open-store.ts";
import { currentValue } from "../../memory/store/store.ts";
import { beginWork, HISTORY_STEPS } from "../../memory/work-share.ts";
import { encodeCurrent, encodeDetails, encodeEvent, type JsonText } from "../../sdk/protocol.ts";
import { readCursor, writeCursor } from "../request/keys-cursor.ts";
import { invalid } from "../request/read-request.ts";
import { listedKeyText } from "../response/json.ts";
import { cutText, fits, ResultList } from "./fit-result.ts";
import { describeParts, readPart } from "./json-part.ts";
import type { Tool } from "./tool.ts";
import type { ToolOutput } from "./tool-result.ts";

const NOT_FOUND: ToolOutput = { json: '{"found":false}' };

export const get: Tool<{ key: string; path?: string; offset?: number }> = async (
  { env, caller },
  { key, path = "", offset = 0 },
) => {
  authorize(caller, "read", key);
  const entry = entryOf(await openStore(env).readEntry(caller.namespace, key));
  if (!entry) return NOT_FOUND;
  const text = readPart(entry.value, path);
  const { ts, revision, ...details } = currentValue(entry);
  if (text === undefined) return { json: `{"found":false,"ts":${ts},"revision":${revision}}` };
  if (offset === 0 && fits(text)) {
    return { json: `{"found":true,${encodeCurrent("value", { ...details, text, ts, revision }).slice(1)}` };
  }
  return cutValue(text, offset, `"found":true,"ts":${ts},"revision":${revision}${encodeDetails(details)}`);
};

function cutValue(text: JsonText, offset: number, version: string): ToolOutput {
  if (offset >= text.length) {
    throw invalid("input", [{ path: "/offset", message: `The value has only ${text.length} characters.` }]);
  }
  const part = cutText(text, offset);
  const next = offset + part.length;
  const isLast = next === text.length;
  const note = isLast
    ? `This is the end of the value, from character ${offset} on.`
    : `These are the characters ${offset} to ${next} of ${text.length}. Read on with \`offset\`: ${next}, or read a part with \`path\`: ${describeParts(text)}. If \`revision\` changes, begin again.`;
  const fields = [version, `"part":${JSON.stringify(part)}`, ...(isLast ? [] : [`"next":${next}`])];
  return { json: `{${fields.join(",")},"note":${JSON.stringify(note)}}`, shown: [`{${version}} ${note}`, part] };
}

export const list: Tool<{ prefix?: string; cursor?: string; limit?: number; values?: boolean }> = async (
  { env, caller },
  { prefix = "", cursor, limit = 50, values = false },
) => {
  const listing = { env, caller, prefix };
  const after = await readCursor(listing, cursor, "input");
  const page = await readReadableKeys(openStore(env), caller, { prefix, after, limit, values });
  const listed = new ResultList();
  const left = page.keys.findIndex((key) => !listed.add(listedKeyText(key)));
  const last = (left < 0 ? page.keys.at(-1) : page.keys[left - 1])?.key;
  const next = await writeCursor(listing, left < 0 ? page.next : (last ?? null), last);
  return { json: `{"keys":${listed.toText()},"cursor":${JSON.stringify(next)}}` };
};

export const history: Tool<{ key: string; limit?: number; before?: number }> = async (
  { env, caller },
  { key, limit = 10, before = Number.MAX_SAFE_INTEGER },
) => {
  authorize(caller, "read", key);
  beginWork(HISTORY_STEPS);
  const { changes } = await openStore(env).readHistory(caller.namespace, key, before, limit);
  const listed = new ResultList();
  const left = changes.findIndex((change) => !listed.add(encodeEvent(change)));
  const last = left < 0 ? changes.at(-1) : changes[left - 1];
  // If the oldest change has a previous one, there may be more.
  const cursor = last && last.previous > 0 ? last.revision : null;
  return { json: `{"changes":${listed.toText()},"cursor":${cursor}}` };
};

export const schema: Tool<{ key: string }> = async ({ env, caller }, { key }) => {
  authorize(caller, "read", key);
  const { schema: stored } = await openStore(env).readSchema(caller.namespace, key);
  if (!stored) return NOT_FOUND;
  return { json: `{"found":true,"schema":${stored.schema},"revision":${stored.revision}}` };
};
