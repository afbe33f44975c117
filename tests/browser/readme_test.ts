import assert from "node:assert/strict";
import { launchChromium } from "../chromium.ts";
import { withTempFolder } from "../temp_folder.ts";

const ROOT = new URL("../../", import.meta.url);
const README = await Deno.readTextFile(new URL("README.md", ROOT));

/** The code block whose fence names the file. */
function codeBlock(file: string): string {
  const block = new RegExp(`^\`\`\`\\w+ ${file.replace(".", "\\.")}\n([^]*?)^\`\`\``, "m").exec(
    README,
  );
  assert.ok(block, `README.md has a code block ${file}`);
  return block[1]!;
}

Deno.test("README's game and ticker run on README's server", async () => {
  await withTempFolder(async (folder) => {
    const server = codeBlock("server.ts")
      .replace("./src/mod.ts", new URL("src/mod.ts", ROOT).href)
      .replace("serve({", `serve({ port: 0, developmentPort: 0,`);
    await Deno.writeTextFile(`${folder}/server.ts`, server);
    for (const page of ["game.html", "ticker.html"]) {
      const lines = codeBlock(page).trim().split("\n").length;
      assert.ok(lines <= 22, `${page} takes ${lines} lines`);
      await Deno.writeTextFile(`${folder}/${page}`, codeBlock(page));
    }
    await using process = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-check",
        "--config",
        new URL("deno.json", ROOT).pathname,
        "server.ts",
      ],
      cwd: folder,
      stdout: "piped",
    }).spawn();
    const urls = await firstLines(process.stdout, 2);
    const browser = await launchChromium();
    try {
      const game = await browser.newPage();
      const other = await browser.newPage();
      for (const page of [game, other]) {
        await page.goto(urls[0]!);
        // The ship of one page is seen by both.
        await page.evaluate(`globalThis.drawn = 0;
          const fillRect = CanvasRenderingContext2D.prototype.fillRect;
          CanvasRenderingContext2D.prototype.fillRect = function (...place) {
            globalThis.drawn = place;
            fillRect.apply(this, place);
          };`);
      }
      const moved = setInterval(() => game.mouse.move(100, 120).catch(() => {}), 50);
      try {
        await other.waitForFunction("drawn[0] === 92 && drawn[1] === 112", { polling: 20 });
      } finally {
        clearInterval(moved);
      }
      const ticker = await browser.newPage();
      await ticker.goto(urls[1]!);
      await ticker.waitForFunction(
        `
        document.getElementById("quotes").textContent.split("\\n").length === 3 &&
        document.getElementById("trades").children.length > 1`,
        { polling: 20 },
      );
    } finally {
      await browser.close();
    }
  });
});

async function firstLines(stream: ReadableStream<Uint8Array>, count: number): Promise<string[]> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.split("\n").length > count) break;
  }
  return text.split("\n").slice(0, count);
}
