// The frame around every view: where one is, whether the page is live, and who is signed in.

import { useEffect } from "preact/hooks";
import { config } from "../config.ts";
import type { Memory } from "../keys/memory.ts";
import { memory, signOut } from "../session.ts";
import { Questions } from "../ui/dialog.tsx";
import { Icon, type IconName, Logo } from "../ui/icons.tsx";
import { Notices } from "../ui/notices.tsx";
import { chooseTheme, THEMES, theme } from "../ui/theme.ts";
import { AccountView } from "./account.tsx";
import { ConnectView } from "./connect.tsx";
import { KeysView } from "./keys.tsx";
import { LiveView } from "./live.tsx";
import { go, hrefOf, type Route, route } from "./route.ts";
import { SignIn } from "./sign-in.tsx";

const TITLES = { keys: "Keys", new: "New key", live: "Live", connect: "Connect", account: "API keys" } as const;

export function App() {
  const open = memory.value;
  const { view } = route.value;
  useEffect(() => {
    document.title = open ? `${TITLES[view]} · memX` : "memX";
  }, [view, open]);
  // Without an API key, one can still make one.
  const isSignedOut = !open && view !== "account";
  return (
    <>
      {isSignedOut ? <SignIn /> : <Frame open={open} />}
      <Notices />
      <Questions />
    </>
  );
}

function Frame({ open }: { readonly open: Memory | undefined }) {
  const { view } = route.value;
  return (
    <div class="frame">
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to the content
      </button>
      <header class="top">
        <a class="brand" href={hrefOf({ view: "keys" })}>
          <Logo />
          <span>memX</span>
        </a>
        <nav aria-label="Views">
          <Tab to={{ view: "keys" }} icon="keys" isHere={view === "keys" || view === "new"} />
          <Tab to={{ view: "live" }} icon="live" isHere={view === "live"} />
          <Tab to={{ view: "connect" }} icon="plug" isHere={view === "connect"} />
          {config.value.supabase && <Tab to={{ view: "account" }} icon="user" isHere={view === "account"} />}
        </nav>
        <div class="top-end">
          {open && <Connection open={open} />}
          <ThemeButton />
          {open && (
            <button type="button" class="quiet sign-out" onClick={leave} title={whoIs(open)}>
              Sign out
            </button>
          )}
        </div>
      </header>
      {open && <Outage open={open} />}
      <main id="main" tabIndex={-1}>
        {view === "account" ? (
          <AccountView />
        ) : !open ? null : view === "live" ? (
          <LiveView memory={open} />
        ) : view === "connect" ? (
          <ConnectView memory={open} />
        ) : (
          <KeysView memory={open} />
        )}
      </main>
    </div>
  );
}

/** Back to where one signs in. */
function leave(): void {
  signOut();
  go({ view: "keys" });
}

function whoIs({ whoami: { name, engine, version } }: Memory): string {
  return `${name ?? "API key without a name"} · memX ${version} on ${engine}`;
}

function Tab({ to, icon, isHere }: { readonly to: Route; readonly icon: IconName; readonly isHere: boolean }) {
  return (
    <a href={hrefOf(to)} aria-current={isHere ? "page" : undefined}>
      <Icon name={icon} />
      <span>{TITLES[to.view]}</span>
    </a>
  );
}

const STATES = { connecting: "Connecting", live: "Live", behind: "Catching up", closed: "Not live" } as const;

function Connection({ open }: { readonly open: Memory }) {
  const { state, error } = open.status.value;
  const text = state === "connecting" && error ? "Reconnecting" : STATES[state];
  return (
    <span class={`connection ${state}`} role="status">
      <span class="dot" aria-hidden="true" />
      <span class="connection-text">{text}</span>
    </span>
  );
}

/** Says why the page is not live, once it is known. */
function Outage({ open }: { readonly open: Memory }) {
  const { state, error } = open.status.value;
  if (!error || state === "live" || state === "behind") return null;
  const isFinal = state === "closed";
  return (
    <div class={isFinal ? "outage final" : "outage"} role="alert">
      <Icon name="warn" />
      {isFinal ? (
        <span>
          {error.message}{" "}
          <button type="button" class="link" onClick={leave}>
            Sign in again
          </button>
        </span>
      ) : (
        <span>
          <b>memX cannot be reached.</b> What you see may be out of date. The page keeps trying, and shows what was
          written meanwhile.
        </span>
      )}
    </div>
  );
}

const THEME_ICONS = { system: "auto", light: "sun", dark: "moon" } as const;

export function ThemeButton() {
  const current = theme.value;
  const next = THEMES[(THEMES.indexOf(current) + 1) % THEMES.length] ?? "system";
  const label = `Colors: ${current}. Switch to ${next}`;
  return (
    <button type="button" class="quiet square" aria-label={label} title={label} onClick={() => chooseTheme(next)}>
      <Icon name={THEME_ICONS[current]} />
    </button>
  );
}
