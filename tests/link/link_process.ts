import process from "node:process";
import { createInterface } from "node:readline";
import { systemClock } from "../../src/policy/clock.ts";
import { seededRandom } from "../../src/policy/random.ts";
import { LossyPath } from "./lossy_path.ts";
import { Tun } from "./tun.ts";

/**
 * The cable between the interfaces `near` and `far`, in a process of its own, so that nothing
 * but packets waits for its event loop. Argument: the seed of what is lost. Commands on stdin, one
 * JSON object a line, each answered by one:
 *
 * - `{"conditions":{"delayMs":25,"loss":0.01,"blocked":[]}}` → `{}`, for both directions
 * - `{"counts":true}` → `{"carried","lost"}`, of both directions
 */
const random = seededRandom(Number(Deno.args[0]));
const near = Tun.open("near");
const far = Tun.open("far");
const paths = [connect(near, far), connect(far, near)];

createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  if (command.conditions) {
    for (const path of paths) path.conditions = { ...path.conditions, ...command.conditions };
    answer({});
  } else if (command.counts) {
    const [there, back] = paths.map((path) => path.counts);
    answer({ carried: there!.carried + back!.carried, lost: there!.lost + back!.lost });
  }
}).on("close", () => Deno.exit(0));
answer({ ready: true });

function connect(from: Tun, to: Tun): LossyPath {
  const path = new LossyPath(
    systemClock,
    random,
    (packet) => to.write(packet as Uint8Array<ArrayBuffer>),
  );
  void pump(from, path);
  return path;
}

async function pump(from: Tun, path: LossyPath): Promise<void> {
  for (let packet; (packet = await from.read()) !== undefined;) path.send(packet);
}

function answer(value: unknown): void {
  process.stdout.write(JSON.stringify(value) + "\n");
}
