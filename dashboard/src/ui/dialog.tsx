// A question before something that cannot be undone.

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

type Question = {
  readonly title: string;
  readonly text: string;
  readonly action: string;
  readonly resolve: (yes: boolean) => void;
};

const question = signal<Question | undefined>(undefined);

export function confirm(asked: Omit<Question, "resolve">): Promise<boolean> {
  return new Promise((resolve) => {
    question.value = { ...asked, resolve };
  });
}

export function Questions() {
  const asked = question.value;
  return asked ? <QuestionDialog {...asked} /> : null;
}

function QuestionDialog({ title, text, action, resolve }: Question) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const close = (yes: boolean) => {
    dialog.current?.close();
    question.value = undefined;
    resolve(yes);
  };
  return (
    <dialog ref={dialog} class="dialog" aria-labelledby="question" onCancel={() => close(false)}>
      <h2 id="question">{title}</h2>
      <p>{text}</p>
      <div class="actions">
        <button type="button" onClick={() => close(false)}>
          Cancel
        </button>
        <button type="button" class="danger" onClick={() => close(true)}>
          {action}
        </button>
      </div>
    </dialog>
  );
}
