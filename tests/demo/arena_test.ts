import assert from "node:assert/strict";
import { Arena, type ArenaEvent } from "../../src/demo/arena.ts";
import { seededRandom } from "../../src/policy/random.ts";
import { cellOf, FIRE, LEFT, shipOf, THRUST, way } from "../../src/web/arena_rules.js";

/** The ship of a session, as the last tick has published it. */
function shipIn(cells: ReturnType<Arena["tick"]>, id: number) {
  for (const { ships } of cells.values()) {
    for (const tuple of ships) if (tuple[0] === id) return shipOf(tuple);
  }
  throw new Error(`There is no ship ${id}`);
}

Deno.test("one seed makes one game", () => {
  const games = [1, 1, 2].map((seed) => {
    const arena = new Arena(seededRandom(seed));
    for (let i = 0; i < 300; i++) arena.tick();
    return JSON.stringify([[...arena.tick()], arena.takeEvents()]);
  });
  assert.equal(games[0], games[1]);
  assert.notEqual(games[0], games[2]);
});

Deno.test("a ship follows each input for one tick, and goes on with the last", () => {
  const arena = new Arena(seededRandom(1), 0);
  const id = arena.join("a", { name: "A", hue: 1 })!;
  const before = shipIn(arena.tick(), id);
  arena.steer("a", [[1, LEFT], [2, LEFT | THRUST]]);
  const first = shipIn(arena.tick(), id);
  assert.equal(first.seq, 1);
  assert.ok(first.angle < before.angle);
  assert.equal(first.vx, 0);
  const second = shipIn(arena.tick(), id);
  assert.equal(second.seq, 2);
  assert.ok(Math.hypot(second.vx, second.vy) > 0);
  const third = shipIn(arena.tick(), id);
  assert.equal(third.seq, 2);
  assert.ok(third.angle < second.angle);
});

Deno.test("inputs that come again are passed over, and a pile of them is caught up with", () => {
  const arena = new Arena(seededRandom(1), 0);
  const id = arena.join("a", { name: "A", hue: 1 })!;
  arena.steer("a", [[1, THRUST], [2, THRUST]]);
  arena.steer("a", [[1, LEFT], [2, LEFT], [3, THRUST]]);
  const angle = shipIn(arena.tick(), id).angle;
  arena.tick();
  assert.equal(shipIn(arena.tick(), id).angle, angle);
  arena.steer("a", Array.from({ length: 100 }, (_, at) => [at + 4, THRUST] as const));
  for (let i = 0; i < 8; i++) arena.tick();
  assert.equal(shipIn(arena.tick(), id).seq, 103);
});

Deno.test("a ship without inputs for 5 s leaves; its session gets another", () => {
  const arena = new Arena(seededRandom(1), 0);
  const id = arena.join("a", { name: "A", hue: 1 })!;
  assert.equal(arena.join("a", { name: "A", hue: 1 }), id);
  for (let i = 0; i < 151; i++) arena.tick();
  assert.equal(arena.size, 0);
  assert.deepEqual(arena.takeEvents().map(({ type }) => type), ["join", "leave"]);
  assert.notEqual(arena.join("a", { name: "A", hue: 1 }), id);
});

Deno.test("the arena has a limit, and says so", () => {
  const arena = new Arena(seededRandom(1), 0);
  for (let n = 0; n < 250; n++) assert.ok(arena.join(`s${n}`, { name: "A", hue: 1 }));
  assert.equal(arena.join("late", { name: "A", hue: 1 }), undefined);
});

Deno.test("ships of the house collect gems and shoot each other down", () => {
  const arena = new Arena(seededRandom(3), 30);
  const seen = new Set<ArenaEvent["type"]>();
  for (let i = 0; i < 1800; i++) {
    arena.tick();
    for (const { type } of arena.takeEvents()) seen.add(type);
  }
  assert.deepEqual([...seen].sort(), ["join", "kill", "score"]);
  assert.ok(arena.standings.some(({ score }) => score >= 5));
});

Deno.test("each ship is in the cell where it is, and a cell that empties is published once more", () => {
  const arena = new Arena(seededRandom(1), 1);
  let last = "";
  for (let i = 0; i < 900; i++) {
    const cells = arena.tick();
    let now = "";
    for (const [key, { ships }] of cells) {
      for (const tuple of ships) {
        const { x, y } = shipOf(tuple);
        // A place on the border is rounded to either side.
        if (Math.min(x % 500, y % 500) > 1) assert.equal(cellOf(x, y), key);
        now = key;
      }
    }
    if (last !== "" && now !== last) assert.ok(cells.has(last));
    last = now;
  }
});

Deno.test("the place of a ship that comes back is told apart from its cells", () => {
  const arena = new Arena(seededRandom(1), 0);
  const id = arena.join("a", { name: "A", hue: 1 })!;
  arena.tick();
  const placed = [...arena.placed()].map(shipOf);
  assert.equal(placed[0]?.id, id);
  arena.tick();
  assert.deepEqual([...arena.placed()], []);
});

Deno.test("bullets fly as far as 0.9 s take them, around the torus", () => {
  const arena = new Arena(seededRandom(2), 0);
  const id = arena.join("a", { name: "A", hue: 1 })!;
  arena.steer("a", [[1, FIRE]]);
  const from = shipIn(arena.tick(), id);
  arena.steer("a", [[2, 0]]);
  let reach = 0;
  for (let i = 0; i < 40; i++) {
    for (const { bullets } of arena.tick().values()) {
      for (const [, x, y] of bullets) {
        reach = Math.max(reach, Math.hypot(way(from.x, x!), way(from.y, y!)));
      }
    }
  }
  assert.ok(reach > 500 && reach < 600, `${reach}`);
});
