// A key's changes, newest first: any two compared, and any value written again.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { ChangeEvent } from "../../../sdk/typescript/index.ts";
import { Exact } from "../json/codec.ts";
import { formatBytes, glance } from "../json/describe.ts";
import { formatText } from "../json/exact.ts";
import { adviceFor } from "../session.ts";
import { Age } from "../ui/clock.tsx";
import { Diff } from "../ui/diff.tsx";
import { Icon } from "../ui/icons.tsx";
import { say, sayError } from "../ui/notices.tsx";
import type { KeyModel } from "./key-model.ts";

type Change = ChangeEvent<Exact>;
const PAGE = 50;

export function HistoryTab({ model }: { readonly model: KeyModel }) {
  const read = useSignal<readonly Change[]>([]);
  const isDone = useSignal(false);
  const problem = useSignal<unknown>(undefined);
  const picked = useSignal<{ readonly from?: number; readonly to?: number }>({});
  const pages = useRef<AsyncIterator<Change>>(undefined);

  const readMore = async () => {
    problem.value = undefined;
    pages.current ??= model.memory.memx.history<Exact>(model.key, { pageSize: PAGE });
    const found: Change[] = [];
    try {
      while (found.length < PAGE) {
        const { value, done } = await pages.current.next();
        if (done) {
          isDone.value = true;
          break;
        }
        found.push(value);
      }
    } catch (error) {
      problem.value = error;
      pages.current = undefined;
      found.length = 0;
    }
    read.value = [...read.value, ...found];
  };
  useEffect(() => {
    if (model.mayRead) void readMore();
  }, [model]);

  if (!model.mayRead) return <p class="muted pad">The scopes of this API key do not let it read this key.</p>;
  const newest = read.value[0]?.revision ?? 0;
  const changes = [...model.changes.value.filter(({ revision }) => revision > newest), ...read.value];
  if (problem.value !== undefined) {
    return (
      <div class="problem-box" role="alert">
        <p>{adviceFor(problem.value)}</p>
        <button type="button" onClick={() => void readMore()}>
          Try again
        </button>
      </div>
    );
  }
  if (changes.length === 0) {
    return (
      <div class="empty small">
        <Icon name="clock" />
        <h2>{isDone.value ? "No changes in the log" : "Reading…"}</h2>
        {isDone.value && (
          <p>
            The change log keeps the last {model.memory.whoami.limits.log} changes of the namespace. Newer changes of
            this key will show here.
          </p>
        )}
      </div>
    );
  }

  const find = (revision: number | undefined) => changes.find((change) => change.revision === revision);
  const to = find(picked.value.to) ?? (changes[0] as Change);
  const from =
    find(picked.value.from) ?? changes.find(({ event, revision }) => event === to.event && revision < to.revision);
  return (
    <div class="history">
      <div class="history-list">
        <table>
          <caption class="sr-only">Changes of the key, newest first</caption>
          <thead>
            <tr>
              <th scope="col">From</th>
              <th scope="col">To</th>
              <th scope="col">Change</th>
              <th scope="col" class="wide-only">
                By
              </th>
              <th scope="col">When</th>
            </tr>
          </thead>
          <tbody>
            {changes.map((change) => (
              <HistoryRow
                key={change.revision}
                change={change}
                isFrom={change === from}
                isTo={change === to}
                onFrom={() => {
                  picked.value = { from: change.revision, to: to.revision };
                }}
                onTo={() => {
                  picked.value = { ...(from && { from: from.revision }), to: change.revision };
                }}
              />
            ))}
          </tbody>
        </table>
        {!isDone.value && (
          <button type="button" class="link pad" onClick={() => void readMore()}>
            Earlier changes
          </button>
        )}
      </div>
      <Comparison model={model} from={from} to={to} />
    </div>
  );
}

type RowProps = {
  readonly change: Change;
  readonly isFrom: boolean;
  readonly isTo: boolean;
  readonly onFrom: () => void;
  readonly onTo: () => void;
};

function HistoryRow({ change, isFrom, isTo, onFrom, onTo }: RowProps) {
  const { revision, ts, by } = change;
  const text = textOf(change);
  return (
    <tr class={isTo ? "is-to" : isFrom ? "is-from" : undefined}>
      <td>
        <input
          type="radio"
          name="from"
          checked={isFrom}
          aria-label={`Compare from revision ${revision}`}
          onChange={onFrom}
        />
      </td>
      <td>
        <input type="radio" name="to" checked={isTo} aria-label={`Compare to revision ${revision}`} onChange={onTo} />
      </td>
      <td>
        <span class={`action action-${change.action}`}>{nameOf(change)}</span>
        {text !== undefined && <span class="muted"> {formatBytes(glance(text).bytes)}</span>}
        {by && <span class="narrow-only muted"> by {by}</span>}
      </td>
      <td class="wide-only">{by ?? <span class="muted">–</span>}</td>
      <td class="when">
        <Age ts={ts} />
      </td>
    </tr>
  );
}

function Comparison({
  model,
  from,
  to,
}: {
  readonly model: KeyModel;
  readonly from: Change | undefined;
  readonly to: Change;
}) {
  const current = model.entry.value;
  const text = textOf(to);
  const mayRestore = model.mayWrite && to.event === "value" && text !== undefined && to.revision !== current?.revision;
  return (
    <section class="comparison" aria-label="Comparison">
      <div class="comparison-head">
        <h2>{from ? `Revision ${from.revision} → ${to.revision}` : `Revision ${to.revision}`}</h2>
        {mayRestore && (
          <button type="button" onClick={() => void restore(model, text)}>
            <Icon name="replay" /> Restore this value
          </button>
        )}
      </div>
      <Diff
        before={formatText((from && textOf(from)) ?? "")}
        after={formatText(text ?? "")}
        label="Difference between the two revisions"
      />
    </section>
  );
}

/** Writes an earlier value again, unless the key changes at the same time. */
async function restore(model: KeyModel, text: string): Promise<void> {
  try {
    const expect = model.entry.peek()?.revision ?? 0;
    const ttl = model.entry.peek()?.expires === undefined ? {} : { ttl: "keep" as const };
    await model.memory.memx.set(model.key, new Exact(text), { expect, ...ttl });
    say("Restored.");
  } catch (error) {
    if ((error as { code?: string }).code === "conflict")
      say("The key has changed meanwhile. Look again, then restore.");
    else sayError(error);
  }
}

function textOf(change: Change): string | undefined {
  return (change.event === "value" ? change.value : (change.schema as Exact | undefined))?.text;
}

function nameOf({ event, action }: Change): string {
  return event === "schema" ? `schema ${action}` : action;
}
