// How long tests wait. Generous, because a machine can be busy: no test fails because memX is slow.

/** For what memX does at once. Less than the 30 s after which a channel repairs itself and so hides a lost event. */
export const PATIENCE_MS = 25_000;

/** For a process that starts, and for what a channel repairs. */
export const LONG_PATIENCE_MS = 240_000;
