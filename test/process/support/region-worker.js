// Runs in front of memX where it is one of two regions: relays of the other region, and the channels of all, are objects of the
// other process, which workerd's debug port reaches.

import memx, { Channel as MemxChannel } from "./index.js";

export { EmbeddedStore, metrics, news, sweep } from "./index.js";

/** Cloudflare finds an object by its name, wherever it runs. */
class Channels {
  #env;

  constructor(env) {
    this.#env = env;
  }

  getByName(name, ...options) {
    const { CHANNEL, REGION, HOME, OTHER_PROCESS, OTHER_REGION } = this.#env;
    const [, , region = HOME] = JSON.parse(name);
    if (region === REGION) return CHANNEL.getByName(name, ...options);
    return OTHER_REGION.connect(OTHER_PROCESS).getActor("memx", "Channel", CHANNEL.idFromName(name).toString());
  }
}

const known = new WeakMap();

function withRegions(env) {
  const wrapped = known.get(env) ?? { ...env, CHANNEL: new Channels(env) };
  known.set(env, wrapped);
  return wrapped;
}

export class Channel extends MemxChannel {
  constructor(ctx, env) {
    super(ctx, withRegions(env));
  }
}

export default { ...memx, fetch: (request, env, ctx) => memx.fetch(request, withRegions(env), ctx) };
