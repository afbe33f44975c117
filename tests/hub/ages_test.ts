import assert from "node:assert/strict";
import { Ages } from "../../src/hub/ages.ts";

Deno.test("the latest reports of a channel have quantiles; the oldest go", () => {
  const ages = new Ages();
  for (let age = 1; age <= 100; age++) ages.add(age);
  assert.deepEqual([ages.quantile(0.5), ages.quantile(0.99)], [50, 99]);
  for (let report = 0; report < 256; report++) ages.add(7);
  assert.deepEqual([ages.quantile(0.5), ages.quantile(1)], [7, 7]);
});
