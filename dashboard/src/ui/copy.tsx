import { useState } from "preact/hooks";
import { Icon } from "./icons.tsx";
import { say } from "./notices.tsx";
import { ScrollBox } from "./scroll-box.tsx";

/** Copies a text. Without the clipboard, as in pages without HTTPS, it says so. */
export function CopyButton({ text, label }: { readonly text: string; readonly label: string }) {
  const [isDone, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setDone(true);
      setTimeout(() => setDone(false), 1_500);
    } catch {
      say("This browser does not let the page copy. Select the text and copy it yourself.");
    }
  };
  return (
    <button type="button" class="quiet" aria-label={label} title={label} onClick={copy}>
      <Icon name={isDone ? "check" : "copy"} />
    </button>
  );
}

export function CodeBlock({ code, label }: { readonly code: string; readonly label: string }) {
  return (
    <div class="code-block">
      <ScrollBox class="code" label={label}>
        <code>{code}</code>
      </ScrollBox>
      <CopyButton text={code} label={`Copy ${label}`} />
    </div>
  );
}
