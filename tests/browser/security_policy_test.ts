import { DemoSite } from "./demo_site.ts";

for (const https of [false, true]) {
  const over = https ? "https" : "http";
  Deno.test(`no page breaks its content security policy over ${over}, over any transport`, async () => {
    const site = await DemoSite.open({ https });
    try {
      for (const path of https ? ["/"] : ["/", "/arena", "/ticker"]) {
        for (const transport of ["webtransport", "websocket", "sse"]) {
          // It is connected by the one that it may use.
          const page = await site.visit(`${path}?transport=${transport}`);
          await page.close();
        }
      }
      site.assertNoComplaints();
    } finally {
      await site.close();
    }
  });
}

Deno.test("what a page's policy forbids does not happen: a script in the page, or another server", async () => {
  const site = await DemoSite.open();
  try {
    const page = await site.visit("/");
    await page.evaluate(`
      globalThis.violations = [];
      addEventListener("securitypolicyviolation", ({ effectiveDirective }) => {
        violations.push(effectiveDirective);
      });
      const script = document.createElement("script");
      try { script.text = "globalThis.ran = true"; document.head.append(script); } catch {}
      try { document.body.innerHTML = "<img src=x>"; } catch {}
      try { new WebSocket("wss://evil.example"); } catch {}
      document.body.setAttribute("style", "color: red");
      document.body.append(Object.assign(new Image(), { src: "https://evil.example/x.png" }));
    `);
    const all = ["require-trusted-types-for", "connect-src", "style-src-attr", "img-src"];
    const met = `${JSON.stringify(all)}.every((name) => violations.includes(name))`;
    await page.waitForFunction(met, { polling: 20 });
    if (await page.evaluate("globalThis.ran")) throw new Error("A script in the page ran");
  } finally {
    await site.close();
  }
});
