import type { ComponentChildren, RefObject } from "preact";

type Props = {
  readonly class: string;
  readonly label: string;
  readonly children: ComponentChildren;
  readonly boxRef?: RefObject<HTMLDivElement | null>;
};

/** A part of the page that scrolls by itself, also with the keyboard. */
export function ScrollBox({ class: name, label, children, boxRef }: Props) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: otherwise the keyboard could not scroll it.
    <section ref={boxRef as RefObject<HTMLElement>} class={name} tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}
