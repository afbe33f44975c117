/**
 * Builds the SDK for browsers into `src/web/built/`: `slipstream.js`, one minified ES module, and
 * `slipstream.d.ts`, its types. Does nothing while both are newer than every source.
 *
 * To be run from the project's root, with `--unstable-bundle --allow-read=src
 * --allow-write=src/web/built`.
 *
 * @module
 */
import { gzipSync } from "node:zlib";
import { rollUpDeclarations } from "./declarations.ts";

const ENTRY = "src/client/mod.ts";
const FOLDERS = ["src/client", "src/client/transports", "src/protocol", "src/policy"];
const TARGET = "src/web/built";
const MODULE = `${TARGET}/slipstream.js`;
const TYPES = `${TARGET}/slipstream.d.ts`;

/** Builds the SDK if a source has changed, and says how large it is. */
export async function buildClient(): Promise<string> {
  const sources = sourcePaths();
  const changed = Math.max(...sources.map(modified));
  const stale = changed >= Math.min(modified(MODULE), modified(TYPES));
  if (stale) await build(sources);
  const module = Deno.readFileSync(MODULE);
  const sizes = `${kilobytes(module)} minified, ${kilobytes(gzipSync(module))} gzipped`;
  return `${MODULE}: ${sizes}${stale ? "" : ", up to date"}`;
}

async function build(sources: readonly string[]): Promise<void> {
  const { success, errors, outputFiles } = await Deno.bundle({
    entrypoints: [ENTRY],
    platform: "browser",
    minify: true,
    write: false,
  });
  const file = outputFiles?.[0];
  if (!success || file === undefined) {
    throw new Error(`The SDK could not be bundled: ${errors.map(({ text }) => text).join("; ")}`);
  }
  const types = rollUpDeclarations(
    Deno.readTextFileSync(ENTRY),
    sources.map((path) => Deno.readTextFileSync(path)),
  );
  Deno.mkdirSync(TARGET, { recursive: true });
  Deno.writeTextFileSync(MODULE, `${BANNER}\n${file.text()}`);
  Deno.writeTextFileSync(TYPES, `${BANNER}\n${types}`);
}

const BANNER = "// Slipstream client, MIT licence";

function sourcePaths(): string[] {
  const paths = ["src/varint.ts"];
  for (const folder of FOLDERS) {
    for (const { isFile, name } of Deno.readDirSync(folder)) {
      if (isFile && name.endsWith(".ts")) paths.push(`${folder}/${name}`);
    }
  }
  return paths;
}

/** When a file changed last, in milliseconds since 1970; 0 if there is none. */
function modified(path: string): number {
  try {
    return Deno.statSync(path).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

function kilobytes({ length }: Uint8Array): string {
  return `${(length / 1000).toFixed(1)} kB`;
}

if (import.meta.main) {
  Deno.stdout.writeSync(new TextEncoder().encode(`${await buildClient()}\n`));
}
