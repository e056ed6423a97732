// A JSON text under edit: line numbers, and each fault at its line. It changes no digit and never captures the Tab key.

import { useEffect, useRef } from "preact/hooks";
import { find, format, JsonError, type JsonNode, parse, placeOf } from "../json/exact.ts";
import { Icon } from "./icons.tsx";

/** `path` is a JSON Pointer; `at` is an index, where there is no JSON to point into. */
export type Fault = { readonly message: string; readonly path?: string; readonly at?: number };

type Props = {
  readonly id: string;
  readonly label: string;
  readonly text: string;
  readonly faults: readonly Fault[];
  readonly onInput: (text: string) => void;
  readonly onSave: () => void;
};

export function Editor({ id, label, text, faults, onInput, onSave }: Props) {
  const area = useRef<HTMLTextAreaElement>(null);
  const gutter = useRef<HTMLPreElement>(null);
  useEffect(() => area.current?.focus(), []);
  const lineCount = text.split("\n").length;
  const parsed = tryParse(text);
  const placed = faults.map((fault) => ({ ...fault, ...placeFault(fault, parsed, text) }));
  const marked = new Set(placed.map(({ line }) => line));
  const isLarge = lineCount > 20_000;

  const show = ({ start, end, line }: { start: number; end: number; line: number }) => {
    const box = area.current;
    if (!box) return;
    box.focus();
    box.setSelectionRange(start, end);
    box.scrollTop = Math.max(0, (line - 4) * LINE_HEIGHT);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (!(event.ctrlKey || event.metaKey) || (event.key !== "s" && event.key !== "Enter")) return;
    event.preventDefault();
    onSave();
  };

  return (
    <div class="editor">
      <div
        class={faults.length > 0 ? "editor-box invalid" : "editor-box"}
        style={{ height: `${Math.min(lineCount, 1_000) * LINE_HEIGHT + 64}px` }}
      >
        {!isLarge && (
          <pre class="gutter" ref={gutter} aria-hidden="true">
            {Array.from({ length: lineCount }, (_, index) => (
              <span key={index} class={marked.has(index + 1) ? "at-fault" : undefined}>
                {index + 1}
                {"\n"}
              </span>
            ))}
          </pre>
        )}
        <textarea
          ref={area}
          id={id}
          aria-label={label}
          aria-invalid={faults.length > 0}
          aria-describedby={`${id}-faults`}
          spellcheck={false}
          autocomplete="off"
          autocapitalize="off"
          wrap="off"
          value={text}
          onInput={({ currentTarget }) => onInput(currentTarget.value)}
          onKeyDown={onKeyDown}
          onScroll={({ currentTarget }) => {
            if (gutter.current) gutter.current.scrollTop = currentTarget.scrollTop;
          }}
        />
      </div>
      <div class="editor-foot">
        <div id={`${id}-faults`} class="faults" aria-live="polite">
          {placed.map(({ message, path, start, end, line, column }, index) => (
            <button type="button" key={index} class="fault" onClick={() => show({ start, end, line })}>
              <Icon name="warn" />
              <span>
                <b>
                  Line {line}, column {column}
                </b>
                {path ? <code> {path}</code> : null} {message}
              </span>
            </button>
          ))}
        </div>
        <button type="button" class="quiet" disabled={!parsed} onClick={() => parsed && onInput(format(parsed))}>
          Format
        </button>
      </div>
    </div>
  );
}

/** As in json.css. */
const LINE_HEIGHT = 20;

/** The fault of a text that is not JSON; `undefined` if it is. */
export function faultOf(text: string): Fault | undefined {
  try {
    parse(text);
    return undefined;
  } catch (error) {
    return { message: (error as Error).message, at: error instanceof JsonError ? error.at : 0 };
  }
}

function tryParse(text: string): JsonNode | undefined {
  try {
    return parse(text);
  } catch {
    return undefined; // `faultOf` says why.
  }
}

function placeFault({ path = "", at }: Fault, parsed: JsonNode | undefined, text: string) {
  const { start, end } = at !== undefined || !parsed ? { start: at ?? 0, end: (at ?? 0) + 1 } : find(parsed, path);
  return { start, end, ...placeOf(text, start) };
}
