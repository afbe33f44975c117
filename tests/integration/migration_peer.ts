import process from "node:process";
import { createInterface } from "node:readline";
import { connect } from "../../src/client/mod.ts";
import { launchChromium } from "../chromium.ts";
import { watchNumbers } from "./migration_client.ts";

/**
 * A client at the far end of a link, in this process or in Chromium. Arguments: `deno` or
 * `chromium`, and the server's URL. Each line on stdin is answered by what the client has seen, in
 * JSON.
 */
const [where, url] = Deno.args as [string, string];
const look = where === "deno" ? inDeno() : await inChromium();

createInterface({ input: process.stdin }).on("line", async () => {
  process.stdout.write(JSON.stringify(await look()) + "\n");
});
process.stdout.write("{}\n");

function inDeno() {
  return watchNumbers(connect, url);
}

async function inChromium() {
  const browser = await launchChromium({ ignoreCertificates: true });
  // It would outlive this process.
  Deno.addSignalListener("SIGTERM", () => browser.close().finally(() => process.exit(0)));
  const page = await browser.newPage();
  await page.goto(url);
  await page.evaluate(`(async () => {
    const { connect } = await import("/slipstream.js");
    globalThis.look = (${watchNumbers})(connect, location.origin);
  })()`);
  return () => page.evaluate("globalThis.look()");
}
