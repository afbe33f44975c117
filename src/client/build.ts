/**
 * Builds the SDK for browsers: `slipstream.js`, one minified ES module, and `slipstream.d.ts`, its
 * types, into `src/web/built/`. Does nothing while they are newer than every source.
 *
 * Needs `--allow-read=src`, `--allow-write=src/web/built` and `--allow-run=deno`.
 *
 * @module
 */
import { rollUpDeclarations } from "./declarations.ts";

const ENTRY = new URL("mod.ts", import.meta.url);
const SOURCES = ["./", "../protocol/", "../policy/", "../varint.ts"];
const TARGET = new URL("../web/built/", import.meta.url);
const MODULE = new URL("slipstream.js", TARGET);
const TYPES = new URL("slipstream.d.ts", TARGET);

/** Builds if a source has changed, and returns what there is to tell about the result. */
export async function buildClient(): Promise<string> {
  const changed = Math.max(...SOURCES.map((path) => newest(new URL(path, import.meta.url))));
  if (changed < Math.min(modified(MODULE), modified(TYPES))) return "up to date";
  Deno.mkdirSync(TARGET, { recursive: true });
  const work = new URL("work/", TARGET);
  await Promise.all([
    deno("bundle", "--platform", "browser", "--minify", "-o", pathOf(MODULE), pathOf(ENTRY)),
    deno("transpile", "--declaration", "--outdir", pathOf(work), ...sources()),
  ]);
  Deno.writeTextFileSync(TYPES, rollUpDeclarations((path) => Deno.readTextFileSync(path), work));
  Deno.removeSync(work, { recursive: true });
  return "";
}

/** Runs a subcommand of this very Deno. @throws {Error} With what it printed if it fails. */
async function deno(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  if (!success) throw new Error(`deno ${args[0]} failed: ${new TextDecoder().decode(stderr)}`);
}
