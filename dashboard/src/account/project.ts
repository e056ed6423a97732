// The account at the Supabase project: signing in with a password or a magic link, and calls as that user. What a user may see
// and change is decided by the project's row-level security; this page has only the project's public key.

import { signal } from "@preact/signals";
import { config } from "../config.ts";

export type Account = {
  readonly userId: string;
  readonly email: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Seconds since the epoch. */
  readonly expires: number;
};

type TokenResponse = {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
  readonly user?: { readonly id: string; readonly email?: string };
};

const STORED = "memx-account";
/** A token is renewed this many seconds before it ends. */
const EARLY_S = 60;

export const account = signal<Account | undefined>(readStored());
/** Why a magic link did not work. */
export const linkProblem = signal<string | undefined>(undefined);

/** Takes the tokens that a magic link put into the address, and takes them out of it. */
export function openProject(): void {
  const parameters = new URLSearchParams(location.hash.replace(/^#\/?/, ""));
  const description = parameters.get("error_description");
  const accessToken = parameters.get("access_token");
  if (description === null && accessToken === null) return;
  history.replaceState(null, "", "#/account");
  if (accessToken === null) {
    linkProblem.value = `${description}. Ask for a new link.`;
    return;
  }
  take({
    access_token: accessToken,
    refresh_token: parameters.get("refresh_token") ?? "",
    expires_in: Number(parameters.get("expires_in") ?? 3_600),
  });
}

/** @throws {Error} with one sentence for the person */
export async function signInWithPassword(email: string, password: string): Promise<void> {
  take(await callAuth<TokenResponse>("token?grant_type=password", { email, password }));
}

/** @throws {Error} */
export async function sendMagicLink(email: string): Promise<void> {
  const back = encodeURIComponent(`${location.origin}/`);
  await callAuth(`otp?redirect_to=${back}`, { email, create_user: true });
}

export function signOutOfProject(): void {
  const { accessToken } = account.value ?? {};
  store(undefined);
  // The project forgets the refresh token; if it cannot be reached, the token ends by itself.
  if (accessToken) void callAuth("logout", {}, accessToken).catch(() => {});
}

/**
 * Calls PostgREST as the user.
 * @throws {Error} with one sentence for the person
 */
export async function callRest<T>(path: string, init: { method?: string; body?: unknown } = {}): Promise<T> {
  const { method = "GET", body } = init;
  const token = await freshToken();
  const response = await request(`rest/v1/${path}`, {
    method,
    headers: { ...headers(token), ...(method !== "GET" && { prefer: "return=representation" }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return response as T;
}

async function freshToken(): Promise<string> {
  const current = account.value;
  if (!current) throw new Error("Sign in to your account first.");
  if (current.expires - EARLY_S > Date.now() / 1_000) return current.accessToken;
  try {
    take(await callAuth<TokenResponse>("token?grant_type=refresh_token", { refresh_token: current.refreshToken }));
  } catch (error) {
    store(undefined);
    throw new Error("Your session has ended. Sign in to your account again.", { cause: error });
  }
  return account.value?.accessToken ?? "";
}

function callAuth<T>(path: string, body: object, token?: string): Promise<T> {
  return request(`auth/v1/${path}`, {
    method: "POST",
    headers: headers(token),
    body: JSON.stringify(body),
  }) as Promise<T>;
}

function headers(token?: string): Record<string, string> {
  const { anonKey = "" } = config.value.supabase ?? {};
  return { apikey: anonKey, authorization: `Bearer ${token ?? anonKey}`, "content-type": "application/json" };
}

async function request(path: string, init: RequestInit): Promise<unknown> {
  const { url } = config.value.supabase ?? {};
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${url}/${path}`, init);
    text = await response.text();
  } catch (cause) {
    throw new Error("The Supabase project cannot be reached. Check that this computer is online, then try again.", {
      cause,
    });
  }
  let body: Record<string, unknown> | undefined;
  try {
    body = text === "" ? {} : JSON.parse(text);
  } catch {
    body = undefined;
  }
  if (response.ok && body !== undefined) return body;
  const message = body?.msg ?? body?.error_description ?? body?.message ?? `status ${response.status}`;
  throw new Error(
    /invalid login credentials/i.test(String(message))
      ? "This email address and password do not match an account."
      : `The project refused: ${message}.`,
  );
}

function take({ access_token, refresh_token, expires_in, user }: TokenResponse): void {
  const claims = readClaims(access_token);
  const userId = user?.id ?? claims.sub;
  if (!userId) throw new Error("The project's response names no user.");
  store({
    userId,
    email: user?.email ?? claims.email ?? "",
    accessToken: access_token,
    refreshToken: refresh_token,
    expires: Date.now() / 1_000 + expires_in,
  });
}

/** What a JSON Web Token says of its user, to show it; the project checks it on every call. */
function readClaims(token: string): { readonly sub?: string; readonly email?: string } {
  try {
    return JSON.parse(atob((token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    return {};
  }
}

function store(next: Account | undefined): void {
  account.value = next;
  if (next) sessionStorage.setItem(STORED, JSON.stringify(next));
  else sessionStorage.removeItem(STORED);
}

function readStored(): Account | undefined {
  try {
    return JSON.parse(sessionStorage.getItem(STORED) ?? "") as Account;
  } catch {
    return undefined; // Not signed in.
  }
}
