// The URL of memX, checked when the client is made: otherwise `fetch` and `WebSocket` fail later, as if memX were away.

const SCHEME = "be an HTTP or HTTPS URL";

/** In the text, because a parsed URL has lost white space, and a `?` or `#` without anything after it. */
const FAULTS: readonly (readonly [fault: string, pattern: RegExp])[] = [
  ["not have white space", /\s/],
  [SCHEME, /^(?!https?:\/\/)/i],
  ["not have a query", /^[^#]*\?/],
  ["not have a fragment", /#/],
];

/**
 * Returns the URL without slashes at its end.
 *
 * @throws {TypeError} if it is not an HTTP or HTTPS URL, or has a part that the URL of memX cannot have. The message says
 * what to write instead.
 */
export function readBaseUrl(text: string): string {
  const url = parse(/^https?:\/\//i.test(text) ? text : guess(text));
  const good = url && `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
  const refuse = (fault: string) =>
    new TypeError(`The base URL must ${fault}.${good ? ` Write ${good} instead.` : ""}`);
  // First, so that no message shows a password.
  if (url?.username || url?.password || /^[^/?#]*(?:\/\/)?[^/?#]*@/.test(text)) {
    throw refuse("not have a user name or password, because the API key is the option `apiKey` or MEMX_API_KEY");
  }
  const [fault] = FAULTS.find(([, pattern]) => pattern.test(text)) ?? [];
  if (!good || fault === SCHEME) throw refuse(`${SCHEME}, not ${JSON.stringify(text)}`);
  if (fault) throw refuse(fault);
  return good;
}

/** What may be meant by a text that is not an HTTP URL. */
function guess(text: string): string {
  const [, scheme = "", rest = ""] = /^\s*(?:(wss?|https?):\/*)?(.*)$/is.exec(text) ?? [];
  return rest.includes("//") ? "" : `${/^(?:wss|https)$/i.test(scheme) ? "https" : "http"}://${rest}`;
}

function parse(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}
