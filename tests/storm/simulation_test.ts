import assert from "node:assert/strict";
import { chart } from "./chart.ts";
import { scenarios, simulate } from "./simulation.ts";

const CLIENTS = 10_000;
const RATE = 250;
const END_MS = 600_000;

const run = (seed: number) =>
  scenarios({ clients: CLIENTS, ratePerSecond: RATE, seed })
    .map((scenario) => simulate(scenario, END_MS));

const curves = run(1);
const [bare, jittered, short, byRate, drained] = curves;

Deno.test("the same seed gives the same storm, another one another", () => {
  const [again, other] = [run(1), run(2)];
  for (const [i, curve] of curves.entries()) {
    assert.deepEqual(again[i], curve);
    assert.notDeepEqual(other[i], curve, curve.name);
  }
});

Deno.test("every client is back in the end, and each once", () => {
  for (const { name, admitted, back, figures } of curves) {
    assert.equal(back, CLIENTS, name);
    assert.equal(admitted.reduce((sum, count) => sum + count, 0), CLIENTS, name);
    assert.ok(figures.halfBackMs! <= figures.mostBackMs!, name);
    assert.ok(figures.mostBackMs! <= figures.allBackMs!, name);
  }
});

Deno.test("every attempt is let in, refused or lost", () => {
  for (const { name, back, figures: { attempts, refused, lost } } of curves) {
    // A lost packet is sent again within the same attempt.
    assert.ok(back + refused <= attempts && attempts <= back + refused + lost, name);
  }
});

Deno.test("without jitter the whole herd comes within a second, and fills the accept queue", () => {
  assert.equal(bare!.figures.peakArrivals, CLIENTS);
  assert.equal(bare!.figures.peakQueue, 511);
});

Deno.test("jitter of the client alone still fills the accept queue, since nobody heard of a rate", () => {
  assert.ok(jittered!.figures.peakArrivals > 20 * RATE);
  assert.equal(jittered!.figures.peakQueue, 511);
  assert.ok(jittered!.figures.lost < bare!.figures.lost);
});

Deno.test("a node lets in no more than its rate and one burst, however many come", () => {
  for (const { name, admitted } of [short!, byRate!, drained!]) {
    let letIn = 0;
    for (const [second, count] of admitted.entries()) {
      letIn += count;
      assert.ok(letIn <= RATE + RATE * (second + 1), `${name}: ${letIn} in ${second + 1} s`);
    }
  }
});

Deno.test("a spread by the rate keeps arrivals at the rate, once the node is there again", () => {
  // Those who found nobody come again in the first seconds.
  const arrivals = byRate!.arrivals.slice(6, 40);
  assert.ok(Math.max(...arrivals) <= RATE, `${arrivals}`);
  assert.ok(byRate!.figures.peakArrivals < 4 * RATE);
  assert.ok(byRate!.figures.peakQueue! < 50);
  assert.equal(byRate!.figures.fullUntilMs, 0);
  assert.ok(byRate!.figures.refused < CLIENTS / 20);
});

Deno.test("a drain brings each client back once, at the rate", () => {
  const { attempts, lost, refused, allBackMs } = drained!.figures;
  assert.deepEqual({ lost, again: attempts - CLIENTS - refused }, { lost: 0, again: 0 });
  assert.ok(refused < CLIENTS / 10_000, `${refused}`);
  // Drawn evenly over a quarter more than the rate needs: five deviations by chance.
  assert.ok(Math.max(...drained!.arrivals) < 0.8 * RATE + 5 * Math.sqrt(0.8 * RATE));
  assert.ok(allBackMs! < 1.25 * CLIENTS * 1000 / RATE * 1.05);
});

Deno.test("the chart draws each curve in each panel, and escapes what is text", () => {
  const svg = chart("1 < 2 & 3", curves);
  assert.match(svg, /^<svg [^>]+>[^]+<\/svg>\n$/);
  assert.ok(svg.includes("1 &lt; 2 &amp; 3"));
  assert.equal(svg.match(/stroke-width="1.8"/g)!.length, 3 * curves.length);
  assert.ok(!svg.includes("NaN"));
});
