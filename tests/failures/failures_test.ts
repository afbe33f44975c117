import { CASES, runCase, SHORT } from "./cases.ts";
import { runHerd } from "./herd.ts";

for (const given of CASES) {
  Deno.test(`${given.name}: nothing twice, nothing missing unsaid`, async () => {
    print(await runCase(given, SHORT));
  });
}

Deno.test("nodes come back to Redis one after another, and hear of everything again", async () => {
  print(await runHerd(SHORT));
});

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`\n  ${text}\n`));
}
