import assert from "node:assert/strict";
import { connect } from "../src/client/mod.ts";
import { withTempFolder } from "./temp_folder.ts";
import { RawWebSocket } from "./transport/raw_websocket.ts";
import { Backend, SECRET } from "./webhooks/backend.ts";

const ROOT = new URL("../", import.meta.url).pathname;

/** The rights that `deno task start` gives, so that this fails when they do not suffice. */
const RIGHTS = startRights(JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`)).tasks.start);

function startRights({ command }: { command: string }): string[] {
  const run = command.split("&&").at(-1)!;
  return run.split(" ").filter((word) => word.startsWith("--allow-"));
}

function start(
  folder: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--config",
      `${ROOT}deno.json`,
      ...RIGHTS,
      `${ROOT}main.ts`,
      ...args,
    ],
    // Its certificates land here.
    cwd: folder,
    env,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function run(folder: string, ...args: string[]) {
  const { code, stdout, stderr } = await start(folder, args).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

Deno.test("--help tells every option and the variable for it", async () => {
  await withTempFolder(async (folder) => {
    const { code, out, err } = await run(folder, "--help");
    assert.equal(code, 0);
    assert.equal(err, "");
    for (
      const option of [
        "port",
        "hostname",
        "development-port",
        "cert",
        "key",
        "origin",
        "address-sessions",
        "address-rate",
      ]
    ) {
      assert.match(out, new RegExp(`--${option} <.*SLIPSTREAM_`));
    }
  });
});

for (
  const [args, expected] of [
    [["--prot", "1"], /--prot/],
    [["--proxy-protocol"], /^--proxy-header and --proxy-protocol need a --trusted-proxy/m],
    [
      ["--trusted-proxy", "10.0.0.1", "--proxy-header", "x-real-ip"],
      /^--proxy-header must be forwarded or x-forwarded-for: x-real-ip$/m,
    ],
    [["--public-port", "quic"], /^--public-port must be a port number: quic$/m],
    [["--port", "http"], /^--port must be a port number: http$/m],
    [
      ["--address-rate", "0"],
      /^--address-rate must be a whole number from 1, or "any": 0$/m,
    ],
    [["--hostname", "::"], /^--open-to-all is needed .*: --hostname ::$/m],
    [["--cert", "chain.pem"], /^--cert and --key must come together: got chain\.pem, no --key$/m],
  ] as const
) {
  Deno.test(`${args.join(" ")} ends with 2 and says what was expected`, async () => {
    await withTempFolder(async (folder) => {
      const { code, err } = await run(folder, ...args);
      assert.equal(code, 2);
      assert.match(err, expected);
      assert.match(err, /^See deno task start --help$/m);
    });
  });
}

Deno.test("the greeting says what is open to everyone, and --no-demo leaves the games out", async () => {
  await withTempFolder(async (folder) => {
    const openings = [[], ["--no-demo"], ["--fed"]].map(async (args) => {
      await using process = start(folder, ["--port", "0", "--development-port", "0", ...args]);
      let text = "";
      for await (const part of process.stdout.pipeThrough(new TextDecoderStream())) {
        text += part;
        const found = /OPEN.*\n/.exec(text);
        if (found) return found[0];
      }
      throw new Error(`The server said: ${text}`);
    });
    const [demo, without, fed] = await Promise.all(openings);
    assert.match(
      demo!,
      /write the channels chat:\*, pointers:\*, arena-in:\*, and read .*quotes:\*/,
    );
    assert.match(without!, /write the channels chat:\*, pointers:\*\n/);
    assert.match(fed!, /write the channels .*quotes:\*.*, and read/);
  });
});

Deno.test("a server that cannot start ends with 1 and says why", async () => {
  await withTempFolder(async (folder) => {
    const missing = await run(folder, "--cert", "chain.pem", "--key", "key.pem", "--open-to-all");
    assert.equal(missing.code, 1);
    assert.equal(
      missing.err,
      "Slipstream cannot start: chain.pem must be a readable file with a certificate in PEM: " +
        "there is no such file\n",
    );
    const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { code, err } = await run(
      folder,
      "--port",
      "0",
      "--development-port",
      `${taken.addr.port}`,
    );
    assert.equal(code, 1);
    assert.match(err, /^Slipstream cannot start: TCP port \d+ of localhost is in use: end /);
    taken.close();
  });
});

Deno.test("the server says where it listens, serves, and ends with 0 after SIGTERM", async () => {
  await withTempFolder(async (folder) => {
    const child = start(folder, ["--port", "0"], { SLIPSTREAM_DEVELOPMENT_PORT: "0" });
    const stderr = new Response(child.stderr).text();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let out = "";
    while (out.split("\n").length < 8) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`The greeting was expected: ${out}${await stderr}`);
      out += value;
    }
    const [, pages] = /^ {2}pages +(http:\/\/localhost:\d+)$/m.exec(out) ?? [];
    assert.match(out, /^ {2}HTTPS +https:\/\/localhost:\d+ {2}\(HTTP\/3, WebSocket, SSE\)$/m);
    assert.match(out, /^ {2}WebTransport +https:\/\/.*\/rt\/wt$/m);
    assert.match(out, /^ {2}carries +\d+ WebTransport, \d+ WebSocket or \d+ SSE sessions \(.*\)$/m);
    assert.match(out, /^ {2}OPEN +everyone .* chat:\*, pointers:\*/m);
    if (Deno.build.os === "linux") assert.doesNotMatch(out, /unknown/);
    const page = await fetch(pages!);
    assert.match(await page.text(), /<title>Slipstream<\/title>/);

    child.kill("SIGTERM");
    const { code } = await child.status;
    assert.equal(code, 0, await stderr);
    assert.equal(await stderr, "Draining; a second signal ends at once\n");
    await reader.cancel();
  });
});

Deno.test("a second signal ends at once, with 130, however slow the clients are to leave", async () => {
  await withTempFolder(async (folder) => {
    const child = start(folder, ["--port", "0", "--allow-missing-origin"], {
      SLIPSTREAM_DEVELOPMENT_PORT: "0",
    });
    const out = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const err = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
    const [, port] = await readUntil(out, /http:\/\/localhost:(\d+)\n/);
    // It never answers the close, so that the drain would wait for it.
    const socket = await RawWebSocket.connect(Number(port), "slipstream.v1.json", "/rt/ws");
    child.kill("SIGTERM");
    await readUntil(err, /^Draining; a second signal ends at once\n$/m);
    child.kill("SIGTERM");
    assert.equal((await child.status).code, 130);
    socket.end();
    await out.cancel();
    await err.cancel();
  });
});

/** Reads on until what came matches. */
async function readUntil(
  reader: ReadableStreamDefaultReader<string>,
  pattern: RegExp,
): Promise<RegExpExecArray> {
  let text = "";
  while (true) {
    const match = pattern.exec(text);
    if (match !== null) return match;
    const { done, value } = await reader.read();
    if (done) throw new Error(`${pattern} was expected: ${text}`);
    text += value;
  }
}

Deno.test("a backend that the environment names is asked, and told of the end after SIGTERM", async () => {
  const backend = new Backend();
  await withTempFolder(async (folder) => {
    const child = start(folder, ["--port", "0", "--allow-missing-origin", "--no-demo"], {
      SLIPSTREAM_DEVELOPMENT_PORT: "0",
      SLIPSTREAM_WEBHOOK_URL: backend.url,
      SLIPSTREAM_WEBHOOK_SECRETS: SECRET,
    });
    const stderr = new Response(child.stderr).text();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let out = "";
    let pages: string | undefined;
    while (pages === undefined) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`The greeting was expected: ${out}${await stderr}`);
      out += value;
      pages = /^ {2}pages +(http:\/\/localhost:\d+)$/m.exec(out)?.[1];
    }
    const client = connect(pages, { transports: ["websocket"] });
    await client.ready;
    assert.deepEqual(backend.events, ["connect"]);
    child.kill("SIGTERM");
    const { code } = await child.status;
    assert.equal(code, 0, await stderr);
    await stderr;
    assert.deepEqual(backend.events, ["connect", "disconnect"]);
    client.close();
    await reader.cancel();
  });
  await backend.close();
});

Deno.test("webhooks need a URL and secrets", async () => {
  await withTempFolder(async (folder) => {
    const child = start(folder, [], { SLIPSTREAM_WEBHOOK_SECRETS: SECRET });
    const { code, stderr } = await child.output();
    assert.equal(code, 2);
    assert.match(
      new TextDecoder().decode(stderr),
      /^SLIPSTREAM_WEBHOOK_URL and SLIPSTREAM_WEBHOOK_SECRETS must come together: got no URL$/m,
    );
  });
});

Deno.test("--address-sessions says how many one address may have at once", async () => {
  await withTempFolder(async (folder) => {
    const args = ["--port", "0", "--development-port", "0", "--no-demo", "--allow-missing-origin"];
    await using process = start(folder, [...args, "--address-sessions", "1"]);
    let text = "";
    let page: string | undefined;
    for await (const part of process.stdout.pipeThrough(new TextDecoderStream())) {
      page = /http:\/\/localhost:\d+/.exec(text += part)?.[0];
      if (page !== undefined) break;
    }
    using client = Deno.createHttpClient({});
    const first = await fetch(`${page}/rt/sse`, { client });
    const second = await fetch(`${page}/rt/sse`, { client });
    assert.deepEqual([first.status, second.status], [200, 429]);
    await first.body!.cancel();
    await second.body!.cancel();
  });
});
