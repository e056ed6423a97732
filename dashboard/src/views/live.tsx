// Every change as it happens: who writes how much, who wrote what when, and the changes themselves.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { formatBytes } from "../json/describe.ts";
import { compileFilter } from "../keys/filter.ts";
import type { Memory } from "../keys/memory.ts";
import { FeedModel } from "../live/feed-model.ts";
import type { Seen } from "../live/ring.ts";
import { formatClock, formatTime, now } from "../ui/clock.tsx";
import { Icon } from "../ui/icons.tsx";
import { ScrollBox } from "../ui/scroll-box.tsx";
import { Sparkline } from "../ui/sparkline.tsx";
import { useWindow } from "../ui/window.ts";
import { hrefOf } from "./route.ts";
import { Timeline } from "./timeline.tsx";

/** As in views.css. */
const ROW_HEIGHT = 34;

export function LiveView({ memory }: { readonly memory: Memory }) {
  const feed = useMemo(() => new FeedModel(memory), [memory]);
  useEffect(() => () => feed.close(), [feed]);
  const isListed = memory.isListed.value;
  useEffect(() => {
    if (!isListed) return;
    memory.seeRecent().catch(() => {
      // What comes from now on shows anyway.
    });
  }, [memory, isListed]);
  const filter = useSignal("");
  feed.version.value;
  const matches = useMemo(() => compileFilter(filter.value), [filter.value]);
  const shown = feed.items().filter(({ key }) => matches(key));
  if (memory.whoami.scopes.read.length === 0) {
    return (
      <div class="empty">
        <Icon name="live" />
        <h1>This API key reads no keys</h1>
        <p>Sign in with an API key that has read scopes to see changes as they happen.</p>
      </div>
    );
  }
  return (
    <div class="live-view">
      <h1 class="sr-only">Live changes</h1>
      <div class="live-bar">
        <Rate memory={memory} />
        <div class="search">
          <Icon name="search" />
          <input
            type="search"
            aria-label="Filter changes by key"
            placeholder="Filter by key: text or a glob"
            spellcheck={false}
            autocomplete="off"
            value={filter.value}
            onInput={({ currentTarget }) => {
              filter.value = currentTarget.value;
            }}
          />
        </div>
        <button type="button" aria-pressed={feed.isPaused.value} onClick={() => feed.togglePause()}>
          <Icon name={feed.isPaused.value ? "play" : "pause"} />
          {feed.isPaused.value ? `Resume${feed.missed() > 0 ? ` (${feed.missed()} new)` : ""}` : "Pause"}
        </button>
        <Replay feed={feed} />
      </div>
      {feed.note.value && (
        <p class="note" role="status">
          {feed.note.value}{" "}
          {feed.isReplay.value && (
            <button type="button" class="link" onClick={() => feed.endReplay()}>
              Back to live
            </button>
          )}
        </p>
      )}
      {shown.length === 0 ? (
        <div class="empty small">
          <Icon name="live" />
          <h2>{filter.value === "" ? "Waiting for changes" : "No change matches the filter"}</h2>
          <p>Each write shows here the moment it happens. “Replay” shows what happened before this page was open.</p>
        </div>
      ) : (
        <>
          <Timeline items={shown} />
          <FeedList items={shown} />
        </>
      )}
    </div>
  );
}

function Rate({ memory }: { readonly memory: Memory }) {
  now.value;
  const rate = memory.activity.rate(Date.now());
  return (
    <div class="rate">
      <Sparkline activity={memory.activity} width={140} height={32} label="Changes of the last minute" />
      <span>
        <b>{rate >= 10 ? Math.round(rate) : rate.toFixed(1)}</b> <span class="muted">changes/s</span>
      </span>
    </div>
  );
}

function Replay({ feed }: { readonly feed: FeedModel }) {
  const text = useSignal("");
  const revision = Number(text.value);
  const isValid = /^\d+$/.test(text.value) && Number.isSafeInteger(revision);
  return (
    <form
      class="replay"
      onSubmit={(event) => {
        event.preventDefault();
        if (isValid) feed.replay(revision);
      }}
    >
      <label class="sr-only" for="replay-since">
        Replay what came after revision
      </label>
      <input
        id="replay-since"
        class="replay-since"
        inputMode="numeric"
        placeholder="after revision"
        autocomplete="off"
        value={text.value}
        aria-invalid={text.value !== "" && !isValid}
        onInput={({ currentTarget }) => {
          text.value = currentTarget.value.trim();
        }}
      />
      <button type="submit" disabled={!isValid}>
        <Icon name="replay" /> Replay
      </button>
      <button type="button" class="quiet" onClick={() => void feed.replayAll()}>
        Whole log
      </button>
    </form>
  );
}

function FeedList({ items }: { readonly items: readonly Seen[] }) {
  const view = useWindow(items.length, ROW_HEIGHT);
  const newestFirst = (index: number) => items[items.length - 1 - index] as Seen;
  return (
    <ScrollBox boxRef={view.ref} class="feed" label="Changes, newest first">
      <ol class="feed-all" style={{ height: `${items.length * ROW_HEIGHT}px` }}>
        {Array.from({ length: view.to - view.from }, (_, offset) => {
          const index = view.from + offset;
          const seen = newestFirst(index);
          return <FeedRow key={seen.revision} seen={seen} top={index * ROW_HEIGHT} />;
        })}
      </ol>
    </ScrollBox>
  );
}

function FeedRow({ seen, top }: { readonly seen: Seen; readonly top: number }) {
  const { key, event, action, ts, by, preview, bytes, revision } = seen;
  return (
    <li class="feed-row" style={{ top: `${top}px` }}>
      <time
        class="feed-time"
        dateTime={new Date(ts * 1_000).toISOString()}
        title={`${formatTime(ts)}, revision ${revision}`}
      >
        {formatClock(ts)}
      </time>
      <span class={`action action-${action}`}>{event === "schema" ? `schema ${action}` : action}</span>
      <a
        class="feed-key"
        href={hrefOf({ view: "keys", key, tab: action === "set" && event === "value" ? "value" : "history" })}
      >
        {key}
      </a>
      <span class="feed-preview">{preview}</span>
      <span class="feed-by">{by ?? ""}</span>
      <span class="feed-size">{bytes === undefined ? "" : formatBytes(bytes)}</span>
    </li>
  );
}
