// How many schemas stand above each schema for the same place in a value. The validator copies what it has evaluated, and every
// error, through all of them.

import type { SchemaObject } from "./json-schema.ts";
import { subschemas } from "./keywords.ts";
import type { SchemaNode } from "./read-schema.ts";

/** Only for the nodes of a schema that passed `checkSchema`: there, no schema is above itself. */
export function inPlaceDepths(nodes: ReadonlyMap<SchemaObject, SchemaNode>): (schema: SchemaObject) => number {
  const above = new Map<unknown, SchemaObject[]>();
  for (const { schema, target } of nodes.values()) {
    const inside = subschemas(schema).flatMap((child) => (child.inPlace ? [child.schema] : []));
    for (const child of target === undefined ? inside : [...inside, target]) {
      const parents = above.get(child);
      if (parents) parents.push(schema);
      else above.set(child, [schema]);
    }
  }
  const depths = new Map<SchemaObject, number>();
  return function depthOf(schema: SchemaObject): number {
    let depth = depths.get(schema);
    if (depth === undefined) {
      depth = (above.get(schema) ?? []).reduce((most, parent) => Math.max(most, depthOf(parent) + 1), 0);
      depths.set(schema, depth);
    }
    return depth;
  };
}
