import assert from "node:assert/strict";
import { until } from "../until.ts";
import { KINDS, withServer } from "./harness.ts";

for (const kind of KINDS) {
  Deno.test(`${kind}: a client gets the keys that it tracks, in every session, and knows their age`, async () => {
    await withServer({}, async ({ server, client: connect }) => {
      const client = connect(kind);
      const seen = new Map<string, number>();
      const subscription = client.channel<number>("points:a").subscribe({
        keys: ["a"],
        onPublication: ({ key, data }) => seen.set(key!, data),
      });
      await subscription.ready;
      const publish = async (value: number) => {
        for (const key of ["a", "b", "c"]) await server.publish("points:a", value, { key });
      };
      await publish(1);
      await until(() => seen.get("a") === 1, "a has come");
      subscription.track(["b", "c"], ["a"]);
      subscription.track([], ["c"]);
      await until(() => seen.get("b") === 1, "the value of a key that is added has come");
      await publish(2);
      await until(() => seen.get("b") === 2, "b goes on");
      assert.deepEqual([...seen], [["a", 1], ["b", 2]]);
      await until(() => subscription.ageMs !== undefined, "the age is known");
      assert.ok(subscription.ageMs! >= 0 && subscription.ageMs! < 5000, `${subscription.ageMs}`);
      await until(() => server.channel("points:a")?.ageMs !== undefined, "the server knows it too");
      const { session } = client;
      client.use([kind]);
      await publish(3);
      await until(() => seen.get("b") === 3, "b goes on over another transport");
      assert.equal(client.session, session);
      assert.equal(seen.get("c"), undefined);
      assert.throws(
        () => client.channel("points:b").subscribe({ onPublication: () => {} }).track(["a"]),
        /made without keys/,
      );
    });
  });
}
