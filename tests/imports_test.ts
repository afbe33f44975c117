import assert from "node:assert/strict";

/**
 * Which folder or file of `src/` may import which; the table of `src/README.md`. A path with a
 * slash allows that file alone.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  varint: [],
  policy: ["protocol", "varint"],
  protocol: ["policy", "varint"],
  http3: ["policy", "varint"],
  webtransport: ["http3", "policy", "varint"],
  transport: ["webtransport", "policy", "protocol", "varint"],
  broker: ["policy", "protocol", "varint", "options"],
  api: ["broker/broker.ts", "session/secret.ts", "protocol"],
  auth: ["broker/once_store.ts", "session/rights/access.ts", "policy", "protocol"],
  hub: ["broker", "policy", "protocol", "varint", "options"],
  session: [
    "hub",
    "broker",
    "transport/transport.ts",
    "policy",
    "protocol",
    "varint",
    "options",
  ],
  proxy: ["policy", "transport/transport.ts"],
  webhooks: [
    "policy",
    "protocol",
    "session/rights/access.ts",
    "session/hooks.ts",
    "session/session_info.ts",
  ],
  tls: ["policy"],
  capacity: ["http3/options.ts", "policy", "transport/transport.ts"],
  // Types alone: what the options mean is said where they are used.
  options: [
    "api/options.ts",
    "auth/options.ts",
    "webhooks/options.ts",
    "http3",
    "proxy",
    "webtransport",
    "session",
    "policy",
    "protocol",
  ],
  resolve_options: [
    "api/options.ts",
    "options",
    "webhooks/options.ts",
    "http3",
    "proxy",
    "webtransport",
    "session",
    "policy",
    "protocol",
  ],
  server: [
    "api",
    "auth",
    "broker",
    "capacity",
    "http3",
    "hub",
    "options",
    "policy",
    "protocol",
    "proxy",
    "resolve_options",
    "session",
    "tls",
    "transport",
    "webhooks",
    "webtransport",
  ],
  client: ["policy", "protocol", "varint"],
  mod: [
    "api/options.ts",
    "auth/options.ts",
    "broker",
    "capacity",
    "options",
    "policy",
    "protocol",
    "proxy/options.ts",
    "server",
    "session",
    "webhooks",
    "webtransport",
  ],
  demo: ["mod", "client/mod.ts", "policy", "web/arena_rules.js"],
  main: ["mod", "demo/demo.ts", "policy"],
};

/** Who may use a package that only one part needs. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "@peculiar/x509": ["tls"],
  "cluster-key-slot": ["broker"],
  "@valibot/to-json-schema": ["api"],
  "hono": ["api", "server"],
  "ioredis": ["broker"],
  "rate-limiter-flexible": ["broker"],
  "jose": ["auth"],
  "prom-client": ["server"],
  "reflect-metadata": ["tls"],
  "valibot": ["api", "resolve_options", "policy", "protocol", "session", "webhooks"],
};

const ROOT = new URL("../", import.meta.url);

Deno.test("imports point the way that src/README.md says", async () => {
  const wrong: string[] = [];
  for (const { from, to } of await imports()) {
    const part = partOf(from);
    const allowed = MAY_IMPORT[part];
    if (allowed === undefined) wrong.push(`${from} belongs to no part of the table`);
    else if (partOf(to) !== part && !allowed.includes(partOf(to)) && !allowed.includes(to)) {
      wrong.push(`${from} imports ${to}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("packages are imported by the parts that they are for", async () => {
  const wrong: string[] = [];
  for (const { from, npm } of await packageImports()) {
    const name = npm.startsWith("@") ? npm.split("/", 2).join("/") : npm.split("/", 1)[0]!;
    if (!PACKAGES[name]?.includes(partOf(from))) wrong.push(`${from} imports ${npm}`);
  }
  assert.deepEqual(wrong, []);
});

/** `src/hub/hub.ts` → `hub`, `src/options.ts` → `options`, `main.ts` → `main`. */
function partOf(path: string): string {
  return path.split("/")[0]!.replace(/\.ts$/, "");
}

async function imports(): Promise<{ from: string; to: string }[]> {
  const found = [];
  for (const { specifier, dependencies = [] } of await modules()) {
    const from = pathOf(specifier);
    if (from === undefined) continue;
    for (const { code, type } of dependencies) {
      const to = pathOf((code ?? type)?.specifier ?? "");
      if (to !== undefined) found.push({ from, to });
    }
  }
  return found;
}

async function packageImports(): Promise<{ from: string; npm: string }[]> {
  const found = [];
  for (const { specifier, dependencies = [] } of await modules()) {
    const from = pathOf(specifier);
    if (from === undefined) continue;
    for (const { specifier: npm } of dependencies) {
      if (!/^(\.|node:)/.test(npm)) found.push({ from, npm });
    }
  }
  return found;
}

/** The path below `src/` (or of `main.ts`), or `undefined` for what is not ours. */
function pathOf(specifier: string): string | undefined {
  if (!specifier.startsWith(ROOT.href)) return undefined;
  const path = specifier.slice(ROOT.href.length);
  return path.startsWith("src/") ? path.slice(4) : path === "main.ts" ? path : undefined;
}

interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly specifier: string;
    readonly code?: { readonly specifier: string };
    readonly type?: { readonly specifier: string };
  }[];
}

let cached: Promise<readonly Module[]> | undefined;

/** Every module of the source and what it imports, types included. */
function modules(): Promise<readonly Module[]> {
  return cached ??= readModules();
}

async function readModules(): Promise<readonly Module[]> {
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const files = [new URL("main.ts", ROOT).href, ...sourceFiles(new URL("src/", ROOT))];
    await Deno.writeTextFile(entry, files.map((file) => `import "${file}";\n`).join(""));
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--config", "deno.json", entry],
      cwd: ROOT,
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    return JSON.parse(new TextDecoder().decode(stdout)).modules;
  } finally {
    await Deno.remove(entry);
  }
}

function sourceFiles(folder: URL): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    // The pages and the built SDK are no part of the server.
    if (isDirectory) return name === "web" ? [] : sourceFiles(new URL(`${name}/`, folder));
    return name.endsWith(".ts") ? [new URL(name, folder).href] : [];
  });
}
