// A key's schema over HTTP: set, read, delete, and what it does to the writes after it.

import { describe, expect, it } from "vitest";
import { LIMITS } from "../../config/limits.ts";
import { freshKey, get, getText, problem, request, set, setSchema, setText } from "../support/client.ts";
import { grant } from "../support/grant.ts";

const path = (key: string) => `/schema?key=${encodeURIComponent(key)}`;

function setSchemaText(key: string, schema: string): Promise<Response> {
  return request("POST", "/schema", { body: `{"key":${JSON.stringify(key)},"schema":${schema}}` });
}

function write(key: string, value: unknown): Promise<Response> {
  return request("POST", "/set", { body: JSON.stringify({ key, value }) });
}

describe("a schema", () => {
  it("is answered, when it is set, with the revision of that change", async () => {
    const key = freshKey();
    const { revision } = await set(key, 1);
    const response = await setSchemaText(key, '{"type":"number"}');
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ ok: true, revision: revision + 1 });
  });

  it("is read with its key and revision", async () => {
    const key = freshKey();
    const { revision } = await setSchema(key, { type: "number" });
    const response = await request("GET", path(key));
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toEqual({ key, schema: { type: "number" }, revision });
  });

  it("is gone once it is deleted", async () => {
    const key = freshKey();
    const { revision } = await setSchema(key, { type: "number" });
    const response = await request("DELETE", path(key));
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ ok: true, revision: revision + 1 });
    await problem(await request("GET", path(key)), "not_found");
  });

  it("that was never set is not found, and deleting it changes nothing", async () => {
    const key = freshKey();
    const { revision } = await set(key, 1);
    for (const method of ["GET", "DELETE"]) {
      const { detail } = await problem(await request(method, path(key)), "not_found");
      expect(detail).toBe("Schema not found.");
    }
    expect((await set(key, 2)).revision).toBe(revision + 1);
  });

  it.each([
    '{ "type" : "number",\n\t"minimum":1.0, "title":"\\u0061" }',
    '{"maximum":9007199254740993,"minimum":-0.0}',
    '{"properties":{"__proto__":{"type":"string"},"constructor":true}}',
    "{}",
    "true",
    "false",
  ])("comes back exactly as it was written: %s", async (text) => {
    const key = freshKey();
    const { revision } = (await (await setSchemaText(key, text)).json()) as { revision: number };
    const answer = await (await request("GET", path(key))).text();
    expect(answer).toBe(`{"key":${JSON.stringify(key)},"schema":${text},"revision":${revision}}`);
  });

  it.each(["__proto__", "constructor", "ключ 😀", 'a"b\\c&d=e%f'])("may belong to the key %j", async (key) => {
    await setSchema(key, { type: "number" });
    await problem(await write(key, "text"), "schema_violation");
    expect((await write(key, 1)).status).toBe(200);
    expect(await (await request("GET", path(key))).json()).toMatchObject({ key, schema: { type: "number" } });
  });

  it("belongs to its key alone", async () => {
    const key = freshKey();
    await setSchema(key, false);
    expect((await write(`${key}:other`, 1)).status).toBe(200);
  });
});

describe("a value that the schema does not allow", () => {
  const schema = {
    type: "object",
    required: ["goal", "owner"],
    properties: {
      goal: { type: "string", minLength: 3 },
      owner: { type: "integer" },
      steps: { type: "array", items: { type: "object", properties: { "a/b~c": { type: "integer", minimum: 0 } } } },
    },
    additionalProperties: false,
  };

  it("is refused with everything that is wrong, and where", async () => {
    const key = freshKey();
    await setSchema(key, schema);
    const value = { goal: "no", steps: [{ "a/b~c": 1 }, { "a/b~c": -1 }, "third"], secret: "hunter2-marker" };
    const response = await write(key, value);
    const answer = await response.clone().text();
    const { errors = [] } = await problem(response, "schema_violation");
    expect(errors.map(({ path }) => path).toSorted()).toEqual(["", "/goal", "/secret", "/steps/1/a~1b~0c", "/steps/2"]);
    for (const error of errors)
      expect(error).toEqual({ path: expect.any(String), message: expect.stringMatching(/\S/) });
    expect(answer).not.toContain("hunter2-marker");
    expect(answer).not.toContain("third");
  });

  it("changes nothing, neither where a value is nor where none is", async () => {
    const [written, empty] = [freshKey(), freshKey()];
    await setSchema(written, schema);
    await setSchema(empty, schema);
    const first = await set(written, { goal: "find", owner: 1, steps: [] });
    const before = await get(written);
    for (const key of [written, empty]) await problem(await write(key, { goal: 1 }), "schema_violation");
    expect(await get(written)).toBe(before);
    expect(await get(empty)).toBe("null");
    expect((await set(written, { goal: "find", owner: 2 })).revision).toBe(first.revision + 1);
  });

  it("is refused whatever it is, where the schema is false", async () => {
    const key = freshKey();
    await setSchema(key, false);
    for (const value of [null, 0, "", [], {}]) await problem(await write(key, value), "schema_violation");
    expect(await get(key)).toBe("null");
  });

  it("is refused in every one of many writes that come at once", async () => {
    const key = freshKey();
    await setSchema(key, { type: "integer" });
    const responses = await Promise.all(Array.from({ length: 40 }, (_, i) => write(key, i % 2 ? i : `${i}`)));
    expect(responses.map(({ status }) => status)).toEqual(responses.map((_, i) => (i % 2 ? 200 : 400)));
    expect(Number(await getText(key)) % 2).toBe(1);
  });
});

describe("a schema's change", () => {
  it("leaves the value that is already there", async () => {
    const key = freshKey();
    await set(key, "text");
    const before = await get(key);
    await setSchema(key, { type: "number" });
    expect(await get(key)).toBe(before);
    await request("DELETE", path(key));
    expect(await get(key)).toBe(before);
  });

  it("counts at once when it allows more", async () => {
    const key = freshKey();
    await setSchema(key, { maximum: 10 });
    await problem(await write(key, 11), "schema_violation");
    await setSchema(key, { maximum: 20 });
    expect((await write(key, 11)).status).toBe(200);
    await problem(await write(key, 21), "schema_violation");
  });

  it("counts at once when it allows less", async () => {
    const key = freshKey();
    expect((await write(key, 11)).status).toBe(200);
    await setSchema(key, { maximum: 20 });
    expect((await write(key, 11)).status).toBe(200);
    await setSchema(key, { maximum: 10 });
    await problem(await write(key, 11), "schema_violation");
    expect((await write(key, 10)).status).toBe(200);
  });

  it("counts at once when it is deleted, and when it is set again", async () => {
    const key = freshKey();
    await setSchema(key, { type: "number" });
    await problem(await write(key, "text"), "schema_violation");
    await request("DELETE", path(key));
    expect((await write(key, "text")).status).toBe(200);
    await setSchema(key, { type: "number" });
    await problem(await write(key, "text"), "schema_violation");
  });

  it("counts at once, back and forth, for the same schemas", async () => {
    const key = freshKey();
    for (let i = 0; i < 5; i++) {
      await setSchema(key, { type: "number" });
      expect([(await write(key, 1)).status, (await write(key, "text")).status]).toEqual([200, 400]);
      await setSchema(key, { type: "string" });
      expect([(await write(key, 1)).status, (await write(key, "text")).status]).toEqual([400, 200]);
    }
  });
});

describe("a schema that cannot be used", () => {
  it.each([
    ["an unknown type", '{"type":"strin"}', ["/type"]],
    ["a keyword of another shape", '{"properties":[]}', ["/properties"]],
    ["several things wrong", '{"type":1,"minimum":"1"}', ["/minimum", "/type"]],
    ["something wrong deep inside", '{"properties":{"a/b":{"items":{"type":"x"}}}}', ["/properties/a~1b/items/type"]],
    ["an unknown draft", '{"$schema":"https://example.com/schema"}', ["/$schema"]],
    ["a draft that is no text", '{"$schema":{"toString":null}}', ["/$schema"]],
    ["a reference to nothing", '{"$ref":"#/$defs/missing"}', ["/$ref"]],
    ["a reference to elsewhere", '{"$ref":"https://example.com/schema.json"}', ["/$ref"]],
    ["a reference to itself", '{"$ref":"#"}', [""]],
    ["a pattern that is none", '{"pattern":"("}', ["/pattern"]],
    ["a dynamic reference", '{"$dynamicRef":"#a"}', ["/$dynamicRef"]],
  ])("is refused, saying where: %s", async (_, text, paths) => {
    const key = freshKey();
    const { revision } = await setSchema(key, { type: "number" });
    const before = await (await request("GET", path(key))).text();
    const { errors = [] } = await problem(await setSchemaText(key, text), "invalid_schema");
    expect([...new Set(errors.map(({ path }) => path))].toSorted()).toEqual(paths);
    for (const { message } of errors) expect(message).toMatch(/\S/);
    expect(await (await request("GET", path(key))).text()).toBe(before);
    await problem(await write(key, "text"), "schema_violation");
    expect((await set(key, 1)).revision).toBe(revision + 1);
  });

  it("is refused when it is larger than 64 KiB, and accepted when it is not", async () => {
    const key = freshKey();
    const schema = (bytes: number) => `{"title":"${"x".repeat(bytes - '{"title":""}'.length)}"}`;
    await problem(await setSchemaText(key, schema(LIMITS.maxSchemaBytes + 1)), "too_large");
    await problem(await request("GET", path(key)), "not_found");
    expect((await setSchemaText(key, schema(LIMITS.maxSchemaBytes))).status).toBe(200);
  });
});

describe("numbers that a double can not tell apart", () => {
  it("are held against the schema as doubles, and kept as written", async () => {
    const key = freshKey();
    await setSchema(key, { type: "integer" });
    await setText(key, "1.0");
    expect(await getText(key)).toBe("1.0");
    await setText(key, "9007199254740993");
    expect(await getText(key)).toBe("9007199254740993");
  });
});

describe("a violation by an API key that may write a key and not read it", () => {
  const SECRET = "launch-code-";
  const schema = {
    type: "object",
    required: [`${SECRET}name`],
    properties: {
      list: { enum: [`${SECRET}1`, `${SECRET}2`] },
      only: { const: `${SECRET}3` },
      text: { pattern: `^${SECRET}4$` },
      type: { type: "number" },
    },
  };
  const value = { list: 1, only: 1, text: "x", type: "x" };
  const general = [
    { path: "", message: "A required property is missing." },
    { path: "/list", message: "Must be one of the allowed values." },
    { path: "/only", message: "Must be the allowed value." },
    { path: "/text", message: "Must match the pattern of the schema." },
    { path: "/type", message: "Must be of an allowed type." },
  ];

  it("names the places and the rules, and quotes nothing of the schema", async () => {
    const key = freshKey();
    const apiKey = freshKey();
    grant({ [apiKey]: { read: [], write: ["*"], user_id: "" } });
    await setSchema(key, schema);
    await problem(await request("GET", path(key), { apiKey }), "forbidden");
    const response = await request("POST", "/set", { body: JSON.stringify({ key, value }), apiKey });
    expect(await response.clone().text()).not.toContain(SECRET);
    const { errors } = await problem(response, "schema_violation");
    expect(new Set(errors)).toEqual(new Set(general));
  });

  it("in a batch hides the schemas of the keys that the API key may not read, and no others", async () => {
    const [hidden, shown] = [freshKey(), freshKey()];
    const apiKey = freshKey();
    grant({ [apiKey]: { read: [shown], write: ["*"], user_id: "" } });
    for (const key of [hidden, shown]) await setSchema(key, schema);
    const batch = async (key: string) => {
      const body = JSON.stringify({ operations: [{ op: "set", key, value }] });
      return (await request("POST", "/batch", { body, apiKey })).text();
    };
    expect(await batch(hidden)).not.toContain(SECRET);
    expect(await batch(hidden)).toContain(
      '{"path":"/operations/0/value/list","message":"Must be one of the allowed values."}',
    );
    expect(await batch(shown)).toContain(`Must be one of \\"${SECRET}1\\", \\"${SECRET}2\\".`);
  });
});
