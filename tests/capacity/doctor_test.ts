import assert from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url);

/** Runs `deno task doctor` with the very rights that the task gives, under a limit of open files. */
async function doctor(openFiles: number, ...args: readonly string[]) {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const command = tasks.doctor.command.replace(/^deno /, `"${Deno.execPath()}" `);
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", `ulimit -n ${openFiles}; exec ${command} ${args.join(" ")}`],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

Deno.test({
  name: "the doctor says what is needed, what there is, and how to change it",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const { code, out } = await doctor(100, "--", "--sessions", "500", "--transport", "websocket");
    assert.equal(code, 1);
    assert.match(out, /^500 sessions over websocket$/m);
    assert.match(out, /^CHANGE {2}open files: needed 592, now 100\n.*\n {8}→ ulimit -n 592 /m);
    assert.match(out, /^OK {6}memory: needed \d+\.\d MB, now \d/m);
    // 100 - 32 for the node - 16 spare
    assert.match(out, / 52 WebSocket or 26 SSE sessions/);
  },
});

Deno.test("the doctor ends with 2 for a wrong command line, and says what was expected", async () => {
  const { code, err } = await doctor(200, "--sessions", "many");
  assert.equal(code, 2);
  assert.match(err, /^--sessions must be a whole number from 1 to 999999999: many$/m);
});
