// Stands in front of a Supabase project's PostgREST as its gateway does, and for the calls of GoTrue that the dashboard makes.
// GoTrue itself is in no package registry that the tests use.

import { createServer, request } from "node:http";
import type { Supabase } from "../../support/supabase/start-supabase.ts";

type User = { readonly id: string; readonly email: string; readonly password: string };

export type AuthStandIn = {
  readonly url: string;
  /** The addresses of links that were "sent". */
  readonly links: string[];
  close(): void;
};

export async function startAuthStandIn(supabase: Supabase, users: readonly User[]): Promise<AuthStandIn> {
  const links: string[] = [];
  const session = ({ id, email }: User) => ({
    access_token: supabase.tokenOf(id),
    token_type: "bearer",
    expires_in: 3_600,
    refresh_token: `refresh-${id}`,
    user: { id, email },
  });
  const answer = (url: URL, body: Record<string, string>): [status: number, body: object] => {
    const grant = url.searchParams.get("grant_type");
    if (url.pathname === "/auth/v1/token") {
      const user = users.find(({ id, email, password }) =>
        grant === "password"
          ? email === body.email && password === body.password
          : body.refresh_token === `refresh-${id}`,
      );
      if (user) return [200, session(user)];
      return [400, { code: 400, error_code: "invalid_credentials", msg: "Invalid login credentials" }];
    }
    if (url.pathname === "/auth/v1/otp") {
      const user = users.find(({ email }) => email === body.email);
      if (user) {
        const { access_token, refresh_token } = session(user);
        const fragment = new URLSearchParams({
          access_token,
          expires_in: "3600",
          refresh_token,
          token_type: "bearer",
          type: "magiclink",
        });
        links.push(`${url.searchParams.get("redirect_to")}#${fragment}`);
      }
      return [200, {}];
    }
    return url.pathname === "/auth/v1/logout" ? [204, {}] : [404, { msg: "not found" }];
  };

  const server = createServer((incoming, outgoing) => {
    const { method, headers } = incoming;
    const cors = {
      "access-control-allow-origin": "*",
      "access-control-allow-headers": headers["access-control-request-headers"] ?? "*",
      "access-control-allow-methods": "GET, POST, PATCH, DELETE",
    };
    if (method === "OPTIONS") {
      outgoing.writeHead(200, cors).end();
      return;
    }
    const url = new URL(incoming.url ?? "/", "http://stand-in");
    if (url.pathname.startsWith("/rest/v1/")) {
      const upstream = request(supabase.url + (incoming.url ?? ""), { method, headers }, (response) => {
        outgoing.writeHead(response.statusCode ?? 502, { ...response.headers, ...cors });
        response.pipe(outgoing);
      });
      upstream.on("error", () => outgoing.writeHead(502, cors).end());
      incoming.pipe(upstream);
      return;
    }
    let text = "";
    incoming.on("data", (chunk) => (text += chunk));
    incoming.on("end", () => {
      const isKnown = headers.apikey === supabase.anonKey;
      const [status, body] = isKnown
        ? answer(url, JSON.parse(text || "{}"))
        : ([401, { message: "No API key found" }] as const);
      outgoing
        .writeHead(status, { ...cors, "content-type": "application/json" })
        .end(status === 204 ? "" : JSON.stringify(body));
    });
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    links,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
