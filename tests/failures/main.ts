import { CASES, LONG, runCase, SHORT } from "./cases.ts";
import { runHerd } from "./herd.ts";

/**
 * Runs the failure matrix and tells what came of each case. `--long` has outages of 10 s and a load
 * to match; further words choose the cases whose names have them.
 */

const scale = Deno.args.includes("--long") ? LONG : SHORT;
const words = Deno.args.filter((word) => word !== "--long");
let failed = 0;
const all = [
  ...CASES.map((given) => ({ name: given.name, run: () => runCase(given, scale) })),
  { name: "herd", run: () => runHerd(scale) },
];
for (const given of all.filter(({ name }) => words.every((word) => name.includes(word)))) {
  try {
    print(await given.run());
  } catch (error) {
    failed++;
    print(`${given.name}: FAILED\n${error instanceof Error ? error.stack : error}`);
  }
}
Deno.exitCode = failed > 0 ? 1 : 0;

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
