import assert from "node:assert/strict";
import { World } from "../../src/web/arena_world.js";

/** The update of a cell at tick `t` with ships `[id, x]`. */
function cell(t: number, ...ships: [id: number, x: number][]) {
  return { t, s: ships.map(([id, x]) => [id, x * 10, 0, 0, 0, 0, 3, 0, 0]), b: [], g: [] };
}

Deno.test("an update that is older than what is known changes nothing", () => {
  const world = new World();
  assert.equal(world.update("0,0", cell(5, [1, 100])).length, 1);
  assert.equal(world.update("0,0", cell(4, [1, 50])).length, 0);
});

Deno.test("updates that never came are counted, where there was something to say", () => {
  const world = new World();
  assert.equal(world.takeLoss(), undefined);
  for (const t of [1, 2, 4, 5]) world.update("0,0", cell(t, [1, 100]));
  assert.equal(world.takeLoss(), 0.25);
  // A cell that is empty has no updates to lose.
  world.update("0,0", cell(6));
  world.update("0,0", cell(20, [1, 100]));
  assert.equal(world.takeLoss(), 0);
});

Deno.test("a cell out of sight takes its ships and gems along", () => {
  const world = new World();
  world.update("0,0", { ...cell(1, [1, 100]), g: [[3, 4]] });
  world.update("1,0", { ...cell(1, [2, 600]), g: [[603, 4]] });
  world.forget("0,0");
  assert.deepEqual([...world.gems()], [[603, 4]]);
});
