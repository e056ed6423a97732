// Finds every schema inside a schema, and resolves each `$ref` by the rules of $id, $anchor and JSON Pointer.
// It never fetches: a reference that leads outside the schema is an error.

import type { FieldError } from "../../sdk/protocol.ts";
import { pointerStep, unescapeStep } from "../pointer-escape.ts";
import { type Draft, isSchema, type JsonSchema, refStandsAlone, type SchemaObject } from "./json-schema.ts";
import { subschemas } from "./keywords.ts";
import { WorkMeter } from "./work-meter.ts";

/** One schema, its place, and the target of its `$ref`. */
export type SchemaNode = {
  readonly schema: SchemaObject;
  readonly pointer: string;
  /** The URI that its relative references are resolved against. */
  readonly base: string;
  target?: JsonSchema;
};

/** Steps to read one schema, and to parse a URI. The platform takes the longer, the longer the base is. */
const WORK_OF_A_NODE = 2;
const URI_CHARS_OF_A_STEP = 8;

export type SchemaReading = {
  readonly nodes: ReadonlyMap<SchemaObject, SchemaNode>;
  /** Schemas, booleans included. */
  readonly size: number;
  readonly errors: readonly FieldError[];
};

// RFC 2606 reserves this domain, so no schema can mean a real place by it.
const NO_PLACE = "https://schema.invalid/";

/**
 * The schemas in `root`, in reading order, and the errors of its names and references.
 * @throws {WorkExceeded}
 */
export function readSchema(root: SchemaObject, draft: Draft, meter = new WorkMeter()): SchemaReading {
  const nodes = new Map<SchemaObject, SchemaNode>();
  const identified = new Map<string, SchemaNode>();
  const errors: FieldError[] = [];
  let size = 0;

  function identify(node: SchemaNode, uri: string, keyword: string): void {
    if (identified.has(uri)) {
      errors.push({
        path: node.pointer + pointerStep(keyword),
        message: "Must be unique. Another schema in this document has the same name.",
      });
    }
    identified.set(uri, node);
  }

  function visit(schema: JsonSchema, pointer: string, outerBase: string): void {
    size++;
    meter.spend(1);
    if (typeof schema === "boolean" || nodes.has(schema)) return;
    meter.spend(WORK_OF_A_NODE + Object.keys(schema).length);
    const idKeyword = draft === "4" ? "id" : "$id";
    const hidden = refStandsAlone(draft) && schema.$ref !== undefined;
    const id = hidden ? undefined : schema[idKeyword];
    const uri = typeof id === "string" ? parseUri(id, outerBase, meter) : undefined;
    const named = refStandsAlone(draft) && uri !== undefined && uri.fragment !== "";
    const node: SchemaNode = { schema, pointer, base: uri && !named ? uri.resource : outerBase };
    nodes.set(schema, node);
    if (typeof id === "string" && (!uri || (uri.fragment !== "" && !(named && id.startsWith("#"))))) {
      errors.push({ path: pointer + pointerStep(idKeyword), message: "Must be a URI without a fragment." });
    } else if (uri) {
      identify(node, named ? `${outerBase}#${uri.fragment}` : uri.resource, idKeyword);
    } else if (pointer === "") {
      identified.set(node.base, node);
    }
    if (typeof schema.$anchor === "string") identify(node, `${node.base}#${schema.$anchor}`, "$anchor");
    for (const child of subschemas(schema)) visit(child.schema, pointer + child.pointer, node.base);
  }

  function resolve(node: SchemaNode, ref: string): { schema: JsonSchema; pointer: string; base: string } | undefined {
    const uri = parseUri(ref, node.base, meter);
    if (!uri) return undefined;
    const isPointer = uri.fragment === "" || uri.fragment.startsWith("/");
    const start = identified.get(isPointer ? uri.resource : `${uri.resource}#${uri.fragment}`);
    if (!start) return undefined;
    let target: unknown = start.schema;
    let pointer = start.pointer;
    if (isPointer) {
      for (const step of uri.fragment.split("/").slice(1)) {
        const name = unescapeStep(step);
        if (typeof target !== "object" || target === null || !Object.hasOwn(target, name)) return undefined;
        target = (target as SchemaObject)[name];
        pointer += pointerStep(name);
      }
    }
    return isSchema(target) ? { schema: target, pointer, base: start.base } : undefined;
  }

  visit(root, "", NO_PLACE);
  // `nodes` grows during this loop, because a reference may lead into a keyword that memX does not know.
  for (const node of nodes.values()) {
    const { $ref } = node.schema;
    if (typeof $ref !== "string") continue;
    const found = resolve(node, $ref);
    if (found) {
      node.target = found.schema;
      visit(found.schema, found.pointer, found.base);
    } else {
      errors.push({
        path: `${node.pointer}/$ref`,
        message: "Must point to a schema in this document. References are not fetched: put the target under $defs.",
      });
    }
  }
  return { nodes, size, errors };
}

function parseUri(
  reference: string,
  base: string,
  meter: WorkMeter,
): { resource: string; fragment: string } | undefined {
  meter.spend(2 + (reference.length + base.length) / URI_CHARS_OF_A_STEP);
  const url = URL.parse(reference, base);
  if (!url) return undefined;
  const { hash } = url;
  url.hash = "";
  try {
    return { resource: url.href, fragment: decodeURIComponent(hash.slice(1)) };
  } catch {
    return undefined; // A stray % in the fragment.
  }
}
