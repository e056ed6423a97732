// Wraps the entry of memX's bundle and counts every call of its Durable Objects. Only the bench runs it. It is
// JavaScript, because workerd reads the file as it is.

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

/** Does not count methods that the platform calls itself, because those calls do not cross between objects. */
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
