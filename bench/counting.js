// Wraps the entry of memX's bundle and counts what its Durable Objects do: calls of them, and rows that they write. Only
// the bench runs it. It is JavaScript, because workerd reads the file as it is.

import memx, * as bundle from "./index.js";

export * from "./index.js";

let calls = {};
/** The objects that have run, by binding. */
const objects = { EMBEDDED_STORE: new Set(), CHANNEL: new Set() };

export const Channel = counted(bundle.Channel, "CHANNEL");
export const EmbeddedStore = counted(bundle.EmbeddedStore, "EMBEDDED_STORE");

export default {
  ...memx,
  async fetch(request, env, ...rest) {
    if (new URL(request.url).pathname !== "/counted") return memx.fetch(request, env, ...rest);
    const counts = calls;
    calls = {};
    return Response.json({
      calls: counts,
      storeRows: await rowsOf(env.EMBEDDED_STORE, objects.EMBEDDED_STORE),
      channelRows: await rowsOf(env.CHANNEL, objects.CHANNEL),
    });
  },
};

/** Does not count methods that the platform calls itself, because those calls do not cross between objects. */
function counted(Class, binding) {
  const Counted = class extends Class {
    constructor(ctx, env) {
      super(ctx, env);
      objects[binding].add(ctx.id.toString());
    }

    /** Rows of tables, of the key-value storage, and alarms. */
    rowsWritten() {
      return this.ctx.storage.sql.exec("SELECT total_changes() AS rows").one().rows;
    }
  };
  for (const method of Object.getOwnPropertyNames(Class.prototype)) {
    if (method === "constructor" || method === "alarm" || method.startsWith("webSocket")) continue;
    if (typeof Object.getOwnPropertyDescriptor(Class.prototype, method).value !== "function") continue;
    Counted.prototype[method] = function (...args) {
      const key = `${binding}.${method}`;
      calls[key] = (calls[key] ?? 0) + 1;
      return Class.prototype[method].apply(this, args);
    };
  }
  return Counted;
}

/** Since each object has opened its database. */
async function rowsOf(namespace, ids) {
  const rows = await Promise.all(Array.from(ids, (id) => namespace.get(namespace.idFromString(id)).rowsWritten()));
  return rows.reduce((sum, number) => sum + number, 0);
}
