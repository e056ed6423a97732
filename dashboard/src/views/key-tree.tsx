// The live tree of keys: one tab stop, moved through with arrow keys, and only the rows on screen exist.

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useId, useLayoutEffect, useRef } from "preact/hooks";
import { formatBytes, type Glance } from "../json/describe.ts";
import type { Memory } from "../keys/memory.ts";
import { type Child, type Folder, type Leaf, positionOf } from "../keys/tree.ts";
import { Countdown } from "../ui/clock.tsx";
import { Icon } from "../ui/icons.tsx";
import { Sparkline } from "../ui/sparkline.tsx";
import { useWindow } from "../ui/window.ts";
import { go, hrefOf } from "./route.ts";

/** As in keys.css. */
const ROW_HEIGHT = 32;
/** A row flashes for this long after a change. */
const FLASH_MS = 1_200;
const SPARK_MS = 60_000;
const FILTER_WAIT_MS = 120;

export function KeyTree({ memory, selected }: { readonly memory: Memory; readonly selected: string | undefined }) {
  const filterText = useSignal(memory.filter.value);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const jump = (event: KeyboardEvent) => {
      const isTyping = (event.target as Element).closest("input, textarea, select");
      if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      input.current?.focus();
    };
    addEventListener("keydown", jump);
    return () => removeEventListener("keydown", jump);
  }, []);
  const setFilter = (text: string) => {
    filterText.value = text;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => memory.setFilter(text), FILTER_WAIT_MS);
  };
  return (
    <>
      <div class="tree-bar">
        <div class="search">
          <Icon name="search" />
          <input
            ref={input}
            type="search"
            aria-label="Filter keys"
            placeholder="Filter: text, or a glob such as task:*"
            spellcheck={false}
            autocomplete="off"
            value={filterText.value}
            onInput={({ currentTarget }) => setFilter(currentTarget.value)}
          />
        </div>
        {memory.whoami.scopes.write.length > 0 && (
          <a class="button" href={hrefOf({ view: "new" })} title="Write a new key">
            <Icon name="plus" />
            <span>New</span>
          </a>
        )}
      </div>
      <Rows memory={memory} selected={selected} />
      <Count memory={memory} />
    </>
  );
}

function Count({ memory }: { readonly memory: Memory }) {
  memory.structure.value;
  const [shown, all] = [memory.tree.root.count, memory.size];
  const keys = all === 1 ? "1 key" : `${all.toLocaleString("en")} keys`;
  return (
    <div class="tree-foot">
      <span>{memory.filter.value === "" ? keys : `${shown.toLocaleString("en")} of ${keys}`}</span>
      {!memory.isListed.value && <span class="muted">reading…</span>}
      <Sparkline activity={memory.activity} width={72} height={16} label="Changes in the last minute" />
    </div>
  );
}

function Rows({ memory, selected }: { readonly memory: Memory; readonly selected: string | undefined }) {
  const id = useId();
  const allRows = useComputed(() => {
    memory.structure.value;
    return memory.tree.rows(memory.isOpen);
  });
  const rows = allRows.value;
  memory.content.value;
  const active = useSignal<Child | undefined>(undefined);
  const view = useWindow(rows.length, ROW_HEIGHT);
  const shown = rows.slice(view.from, view.to);
  const activeIndex = indexIn(rows, active.value);

  useEffect(() => memory.details.want(shown.filter((child) => child.kind === "leaf")));
  const chosen = selected === undefined ? undefined : memory.leaf(selected);
  const isListed = memory.isListed.value;
  // Before the next key press: later, it would take back a move that was made meanwhile.
  useLayoutEffect(() => {
    // A key that was opened by its address or from a list shows in the tree, too.
    if (selected === undefined || !isListed || !chosen?.parent || active.peek() === chosen) return;
    memory.reveal(selected);
    active.value = chosen;
  }, [selected, isListed, chosen]);
  useEffect(() => {
    if (activeIndex >= 0) view.scrollTo(activeIndex);
  }, [active.value]);

  const move = (index: number) => {
    const rows = allRows.peek();
    const child = rows[Math.max(0, Math.min(rows.length - 1, index))];
    if (child) active.value = child;
  };
  const use = (child: Child) => {
    active.value = child;
    if (child.kind === "folder") memory.setOpen(child, !memory.isOpen(child));
    else go({ view: "keys", key: child.key });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // As they are now: keys come faster than frames, so the last render may be behind.
    const rows = allRows.peek();
    const activeIndex = indexIn(rows, active.peek());
    const child = rows[activeIndex];
    const moves: Record<string, () => void> = {
      ArrowDown: () => move(activeIndex + 1),
      ArrowUp: () => move(activeIndex - 1),
      PageDown: () => move(activeIndex + view.page),
      PageUp: () => move(activeIndex - view.page),
      Home: () => move(0),
      End: () => move(rows.length - 1),
      Enter: () => child && use(child),
      " ": () => child && use(child),
      ArrowRight: () => {
        if (child?.kind !== "folder") return;
        if (memory.isOpen(child)) move(activeIndex + 1);
        else memory.setOpen(child, true);
      },
      ArrowLeft: () => {
        if (child?.kind === "folder" && memory.isOpen(child)) memory.setOpen(child, false);
        else if (child?.parent?.parent) active.value = child.parent;
      },
    };
    const act = moves[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  };

  if (rows.length === 0) return <NoRows memory={memory} />;
  const isActiveShown = activeIndex >= view.from && activeIndex < view.to;
  return (
    <div
      ref={view.ref}
      class="tree"
      role="tree"
      aria-label="Keys"
      tabIndex={0}
      aria-activedescendant={isActiveShown ? `${id}${activeIndex}` : undefined}
      onKeyDown={onKeyDown}
      onFocus={() => activeIndex < 0 && move(0)}
    >
      <div class="tree-all" role="presentation" style={{ height: `${rows.length * ROW_HEIGHT}px` }}>
        {shown.map((child, index) => (
          <Row
            key={child.kind === "folder" ? `f${child.prefix}` : `k${child.key}`}
            id={`${id}${view.from + index}`}
            index={view.from + index}
            child={child}
            memory={memory}
            isActive={child === active.value}
            isSelected={child.kind === "leaf" && child.key === selected}
            onUse={use}
          />
        ))}
      </div>
    </div>
  );
}

/** -1 if there is none, or if its row is gone: its key was deleted, or the filter hides it. */
const indexIn = (rows: readonly Child[], child: Child | undefined) => (child ? rows.indexOf(child) : -1);

type RowProps = {
  readonly id: string;
  readonly index: number;
  readonly child: Child;
  readonly memory: Memory;
  readonly isActive: boolean;
  readonly isSelected: boolean;
  readonly onUse: (child: Child) => void;
};

function Row({ id, index, child, memory, isActive, isSelected, onUse }: RowProps) {
  const isFolder = child.kind === "folder";
  const isNew = Date.now() - child.changedMs < FLASH_MS;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree handles keys for all its items.
    <div
      id={id}
      role="treeitem"
      class={`row${isActive ? " active" : ""}${isSelected ? " selected" : ""}`}
      aria-level={child.level}
      aria-setsize={child.parent?.children.length ?? 1}
      aria-posinset={positionOf(child)}
      aria-expanded={isFolder ? memory.isOpen(child) : undefined}
      aria-selected={isSelected}
      tabIndex={-1}
      style={{ top: `${index * ROW_HEIGHT}px`, paddingLeft: `${child.level * 16 - 6}px` }}
      onClick={() => onUse(child)}
    >
      {isNew && <span class="flash" key={child.changedMs} aria-hidden="true" />}
      {isFolder ? <FolderCells folder={child} /> : <LeafCells leaf={child} memory={memory} />}
    </div>
  );
}

function FolderCells({ folder }: { readonly folder: Folder }) {
  return (
    <>
      <Icon name="chevron" />
      <span class="row-label">{folder.label}</span>
      <span class="row-count">
        {folder.count.toLocaleString("en")}
        <span class="sr-only"> keys</span>
      </span>
    </>
  );
}

const isScalar = ({ type }: Glance) => type !== "object" && type !== "array";
const GLYPHS = { object: "{ }", array: "[ ]", string: "“ ”", number: "12", boolean: "⊤⊥", null: "∅" } as const;

function LeafCells({ leaf, memory }: { readonly leaf: Leaf; readonly memory: Memory }) {
  const { detail, changedMs } = leaf;
  const activity = Date.now() - changedMs < SPARK_MS ? memory.activityOf(leaf.key) : undefined;
  return (
    <>
      <span class={`glyph glyph-${detail?.type ?? "unknown"}`} aria-hidden="true">
        {detail ? GLYPHS[detail.type] : "·"}
      </span>
      <span class="row-label">{leaf.label}</span>
      {activity && activity.total > 1 && <Sparkline activity={activity} width={40} height={14} label="Active" />}
      {detail && (
        <>
          {detail.expires !== undefined && (
            <span class="row-ttl" title={detail.by ? `Held by ${detail.by}` : undefined}>
              {detail.by && <span class="row-holder">{detail.by} </span>}
              <Icon name="clock" />
              <span class="sr-only">expires in </span>
              <Countdown expires={detail.expires} />
            </span>
          )}
          {detail.expires === undefined && isScalar(detail) && <span class="row-preview">{detail.preview}</span>}
          <span class="row-size">
            <span class="sr-only">{detail.type}, </span>
            {formatBytes(detail.bytes)}
          </span>
        </>
      )}
    </>
  );
}

function NoRows({ memory }: { readonly memory: Memory }) {
  if (!memory.isListed.value) return <div class="tree-none muted">Reading keys…</div>;
  if (memory.filter.value !== "" && memory.size > 0) {
    return (
      <div class="tree-none">
        <p>No key matches this filter.</p>
        <p class="muted">
          Text matches anywhere in a key. <code>*</code> stands for any characters, <code>?</code> for one.
        </p>
      </div>
    );
  }
  return <div class="tree-none muted">No keys</div>;
}
