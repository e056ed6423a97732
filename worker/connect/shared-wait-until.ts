// `waitUntil` for the calls of a socket. The platform gets one promise at a time, because each costs more than the rest of a
// small call.

import type { Committer } from "../../memory/writes/commit.ts";

export function sharedWaitUntil(context: Committer["executionCtx"]): Committer["executionCtx"] {
  let running = 0;
  let end = () => {};
  const leave = () => {
    if (--running === 0) end();
  };
  return {
    waitUntil(work) {
      if (running++ === 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        end = resolve;
        context.waitUntil(promise);
      }
      work.then(leave, leave);
    },
  };
}
