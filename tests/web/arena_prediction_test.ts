import assert from "node:assert/strict";
import { Arena } from "../../src/demo/arena.ts";
import { seededRandom } from "../../src/policy/random.ts";
import { Inputs, Prediction } from "../../src/web/arena_prediction.js";
import { FIRE, LEFT, RIGHT, shipOf, THRUST, way } from "../../src/web/arena_rules.js";

/** A player whose inputs and updates take `delay` ticks each way; every `lossy`th datagram is lost. */
function play(delay: number, lossy: number): { predicted: number[]; decided: number[] } {
  const random = seededRandom(9);
  const arena = new Arena(random, 0);
  const id = arena.join("player", { name: "Player", hue: 0 })!;
  const inputs = new Inputs();
  const prediction = new Prediction(inputs);
  const up: (readonly (readonly [number, number])[])[] = [];
  const down: [ship: ReturnType<typeof shipOf>, tick: number][] = [];
  let buttons = 0;
  const ticks = 300;
  for (let tick = 1; tick <= ticks + COAST; tick++) {
    if (tick % 9 === 0) buttons = Math.floor(random() * 16) & (LEFT | RIGHT | THRUST | FIRE);
    if (tick > ticks) buttons = 0;
    const sent = inputs.add(buttons);
    prediction.step(buttons);
    up.push(tick % lossy === 0 ? [] : structuredClone(sent));
    const arrived = up[tick - 1 - delay];
    if (arrived) arena.steer("player", arrived);
    for (const { ships } of arena.tick().values()) {
      for (const tuple of ships) if (tuple[0] === id) down.push([shipOf(tuple), tick]);
    }
    const update = down[tick - 1 - delay];
    if (update && tick % lossy !== 1) prediction.correct(...update);
  }
  const { x, y } = prediction.ship!;
  const [last] = down.at(-1)!;
  return { predicted: [x, y], decided: [last.x, last.y] };
}

/** Ticks after which a ship without thrust has come to rest: here and there it is the same place. */
const COAST = 200;

for (const [delay, lossy] of [[0, 1000], [3, 20], [6, 7], [10, 4]] as const) {
  Deno.test(`the page predicts what the server decides, ${delay} ticks away, one of ${lossy} lost`, () => {
    const { predicted, decided } = play(delay, lossy);
    const distance = Math.hypot(
      way(predicted[0]!, decided[0]!),
      way(predicted[1]!, decided[1]!),
    );
    assert.ok(distance < 1, `${distance} units apart`);
  });
}

Deno.test("inputs are sent six at a time, so that a lost datagram loses none", () => {
  const inputs = new Inputs();
  for (let at = 0; at < 10; at++) inputs.add(at);
  assert.deepEqual(inputs.add(10).map(([seq]: [number, number]) => seq), [6, 7, 8, 9, 10, 11]);
  assert.deepEqual(inputs.after(9), [[10, 9], [11, 10]]);
});
