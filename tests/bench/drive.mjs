import process from "node:process";
import { createInterface } from "node:readline";

/**
 * What every server under test runs beside its server, on Node or Deno: commands come as one JSON
 * object a line on stdin, each is answered by one on stdout.
 *
 * - `{"publish":{"perTurn":1,"everyMs":50,"turns":60}}` publishes `perTurn` messages in one turn
 *   of the event loop, `turns` times; answered when the last turn is over.
 * - `{"state":true}` is answered by what `state` gives.
 * - `{"collect":true}` collects garbage and compacts the heap, so that memory is compared without
 *   either.
 *
 * @param {{ [detail: string]: unknown }} greeting First line: where it listens.
 * @param {(text: string, index: number) => void} publish Sends one message to every subscriber;
 * `index` counts within the turn.
 * @param {() => unknown} [state] What the server has to tell beside.
 */
export function drive(greeting, publish, state = () => ({})) {
  const answer = (value) => process.stdout.write(JSON.stringify(value) + "\n");
  createInterface({ input: process.stdin }).on("line", (line) => {
    const command = JSON.parse(line);
    if (command.publish) {
      publishTurns(command.publish, publish, () => answer({ published: true }));
    } else if (command.state) {
      answer(state());
    } else if (command.collect) {
      globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
      answer({ collected: globalThis.gc !== undefined });
    }
  }).on("close", () => process.exit(0));
  answer(greeting);
}

function publishTurns({ perTurn, everyMs, turns }, publish, done) {
  let left = turns;
  const timer = setInterval(() => {
    const text = stampedText();
    for (let index = 0; index < perTurn; index++) publish(text, index);
    left -= 1;
    if (left > 0) return;
    clearInterval(timer);
    done();
  }, everyMs);
}

/** 62 characters, 64 bytes as JSON text; begins with the microseconds since 1970. One for a turn. */
function stampedText() {
  const micros = Math.round((performance.timeOrigin + performance.now()) * 1000);
  return `<t${micros}>`.padEnd(62, "0123456789abcdef");
}
