import { CASES, runCase, SHORT } from "./cases.ts";

for (const given of CASES) {
  Deno.test(`${given.name}: nothing twice, nothing missing unsaid`, async () => {
    print(await runCase(given, SHORT));
  });
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`\n  ${text}\n`));
}
