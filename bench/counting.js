// The entry of memX's bundle, with every call of its Durable Objects counted. Only the bench runs it, and workerd reads it as it
// stands: hence JavaScript.

import memx, * as bundle from "./index.js";

export * from "./index.js";

let calls = {};

export const Channel = counted(bundle.Channel, "channel");
export const EmbeddedStore = counted(bundle.EmbeddedStore, "store");

export default {
  ...memx,
  fetch(request, ...rest) {
    if (new URL(request.url).pathname !== "/counted-calls") return memx.fetch(request, ...rest);
    const counts = calls;
    calls = {};
    return Response.json(counts);
  },
};

/** What the platform calls by itself costs too, but no way between objects. */
function counted(Class, name) {
  const Counted = class extends Class {};
  for (const method of Object.getOwnPropertyNames(Class.prototype)) {
    if (method === "constructor" || method === "alarm" || method.startsWith("webSocket")) continue;
    if (typeof Object.getOwnPropertyDescriptor(Class.prototype, method).value !== "function") continue;
    Counted.prototype[method] = function (...args) {
      const key = `${name}.${method}`;
      calls[key] = (calls[key] ?? 0) + 1;
      return Class.prototype[method].apply(this, args);
    };
  }
  return Counted;
}
