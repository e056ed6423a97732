// The machine of a lease does what sdk/lease-table.json says, as it must in the clients of all languages.

import { expect, it } from "vitest";
import table from "../../sdk/lease-table.json";
import { LeaseMachine } from "../../sdk/typescript/lease-machine.ts";
import type { LeaseAction, LeaseConfig, LeaseEvent, LeaseState } from "../../sdk/typescript/lease-states.ts";

type Step = LeaseEvent & {
  readonly at: number;
  readonly do: readonly LeaseAction[];
  readonly state: LeaseState;
  /** `null` for no timer. */
  readonly wakeAt: number | null;
};

const scenarios = table.scenarios as unknown as { name: string; config: Partial<LeaseConfig>; steps: Step[] }[];

it.each(scenarios)("$name", ({ config, steps }) => {
  let ids = 0;
  const source = { newId: () => `id-${++ids}`, random: () => table.random };
  const machine = new LeaseMachine({ ...table.defaults, ...config }, source);
  for (const { at, do: expected, state, wakeAt, ...event } of steps) {
    const actions = machine.handle(event as LeaseEvent, at);
    const actual = { do: actions, state: machine.state, wakeAt: machine.wakeAt };
    const wanted = { do: expected, state, wakeAt: wakeAt ?? Number.POSITIVE_INFINITY };
    expect(actual, `at ${at}: ${JSON.stringify(event)}`).toEqual(wanted);
  }
});

it("has every state, event and action in the table", () => {
  const steps = scenarios.flatMap((scenario) => scenario.steps);
  const states: Record<Exclude<LeaseState, "new">, true> = {
    claiming: true,
    waiting: true,
    confirming: true,
    held: true,
    renewing: true,
    releasing: true,
    tracing: true,
    over: true,
  };
  const events: Record<LeaseEvent["event"], true> = {
    start: true,
    free: true,
    timer: true,
    suspended: true,
    cancel: true,
    release: true,
    abandon: true,
    watch_failed: true,
    applied: true,
    conflict: true,
    failed: true,
    refused: true,
    broken: true,
  };
  const actions: Record<LeaseAction["do"], true> = {
    send: true,
    stop: true,
    watch: true,
    resolve: true,
    reject: true,
    end: true,
    released: true,
    release_failed: true,
    throw: true,
  };
  expect(new Set(steps.map(({ state }) => state))).toEqual(new Set(Object.keys(states)));
  expect(new Set(steps.map(({ event }) => event))).toEqual(new Set(Object.keys(events)));
  expect(new Set(steps.flatMap((step) => step.do.map((action) => action.do)))).toEqual(new Set(Object.keys(actions)));
});
