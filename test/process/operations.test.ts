// The files of config/ that put memX into operation, read by the programs that they are for. In a long run, because only
// that installs those programs.

import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { freePort } from "../support/free-port.ts";
import { dataFolder, startProcess } from "./support/dev-server.ts";
import { run } from "./support/installed-sdk.ts";
import { runScenario, SCENARIO_LOG } from "./support/sdk-scenario.ts";
import { startSelfHosted } from "./support/self-hosted.ts";

const read = (file: string) => readFileSync(file, "utf8");

/** Replaces each text, which must be there. */
function replaced(text: string, replacements: Readonly<Record<string, string>>): string {
  return Object.entries(replacements).reduce((result, [from, to]) => {
    expect(result).toContain(from);
    return result.replaceAll(from, to);
  }, text);
}

type Address = { readonly port: number; readonly memx: string; readonly certificate: string; readonly key: string };

const PROXIES = {
  nginx({ port, memx, certificate, key }: Address): [string, ...string[]] {
    const site = replaced(read("config/nginx.conf"), {
      "listen 443 ssl http2;": `listen 127.0.0.1:${port} ssl http2;`,
      "127.0.0.1:8000": memx,
      "/etc/letsencrypt/live/memx.example/fullchain.pem": certificate,
      "/etc/letsencrypt/live/memx.example/privkey.pem": key,
    });
    const folder = dataFolder();
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${join(folder, name)};`)
      .join("\n");
    writeFileSync(
      join(folder, "nginx.conf"),
      `daemon off; pid ${join(folder, "pid")}; error_log stderr; events {} http { access_log off; ${temporary}\n${site}}`,
    );
    return ["nginx", "-c", join(folder, "nginx.conf")];
  },
  caddy({ port, memx, certificate, key }: Address): [string, ...string[]] {
    const site = replaced(read("config/Caddyfile"), {
      "memx.example {": `https://localhost:${port} {\n\ttls ${certificate} ${key}`,
      "127.0.0.1:8000": memx,
    });
    const file = join(dataFolder(), "Caddyfile");
    writeFileSync(file, `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${site}`);
    return ["caddy", "run", "--adapter", "caddyfile", "--config", file];
  },
};

describe.each(["nginx", "caddy"] as const)("%s", { tags: ["long"] }, (name) => {
  it("passes calls, sockets and streams on, with TLS, and hides the metrics", async () => {
    const memx = await startSelfHosted("embedded", { MEMX_ACL: '{"local_dev_key":["*"]}' });
    onTestFinished(() => memx.close());
    const [certificate, key] = [join(dataFolder(), "certificate.pem"), join(dataFolder(), "key.pem")];
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    const request = [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "2",
    ];
    execFileSync("openssl", [...request, ...subject, "-keyout", key, "-out", certificate], { stdio: "pipe" });
    const port = await freePort();
    const [command, ...args] = PROXIES[name]({ port, memx: new URL(memx.url).host, certificate, key });
    const home = { PATH: process.env.PATH, HOME: dataFolder() };
    const proxy = startProcess(command, args, home);
    let output = "";
    for (const stream of [proxy.stdout, proxy.stderr]) stream?.on("data", (chunk) => (output += chunk));

    const script = join(dataFolder(), "script.ts");
    writeFileSync(
      script,
      `import { MemX } from ${JSON.stringify(resolve("sdk/typescript/index.ts"))};
       const url = "https://localhost:${port}";
       const headers = { "x-api-key": "local_dev_key", "content-type": "application/json" };
       while (!(await fetch(url + "/health").then(({ ok }) => ok, () => false))) await new Promise((wait) => setTimeout(wait, 50));
       const log = await (${runScenario})(MemX, url, ${JSON.stringify(name)});
       // Arrives although the stream goes on.
       const stream = await fetch(url + "/subscribe/a?since=0", { headers: { ...headers, accept: "text/event-stream" } });
       const reader = stream.body.pipeThrough(new TextDecoderStream()).getReader();
       await fetch(url + "/set", { method: "POST", headers, body: '{"key":"a","value":"streamed"}' });
       let text = "";
       while (!text.includes("streamed")) text += (await reader.read()).value;
       await reader.cancel();
       const large = { method: "POST", headers, body: JSON.stringify({ key: "a", value: "x".repeat(1_500_000) }) };
       const { code } = await (await fetch(url + "/set", large)).json();
       const { status } = await fetch(url + "/metrics");
       console.log(JSON.stringify({ log, code, metrics: status }));
       process.exit();`,
    );
    const env = { ...home, NODE_EXTRA_CA_CERTS: certificate };
    const { stdout, stderr } = await run(process.execPath, [script], { env });
    expect(stderr, output).toBe("");
    expect(JSON.parse(stdout)).toEqual({ log: SCENARIO_LOG, code: "too_large", metrics: 404 });
  });
});

it("has a unit that systemd accepts, and that closes what memX needs not", { tags: ["long"] }, () => {
  // The program is not installed here.
  const unit = replaced(read("config/memx.service"), { "/usr/local/bin/memx-server": process.execPath });
  const file = join(dataFolder(), "memx.service");
  writeFileSync(file, unit);
  const { status, stderr } = spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const args = ["security", "--offline=true", "--threshold=45", file];
  expect(spawnSync("systemd-analyze", args, { encoding: "utf8" }).status).toBe(0);
});
