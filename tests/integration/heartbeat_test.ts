import assert from "node:assert/strict";
import { CloseCode } from "../../src/mod.ts";
import { seededRandom } from "../../src/policy/random.ts";
import { FakeClock } from "../fake_clock.ts";
import { KINDS, withServer } from "./harness.ts";
import { openRaw, type RawPeer } from "./raw_peer.ts";

const INTERVAL_MS = 30_000;
const MISSES = 3;
const BOUND_MS = INTERVAL_MS * (MISSES + 1);
/** A step of the server's timer wheel. */
const STEP_MS = 250;
/** By when a peer that has fallen quiet is pinged. */
const PINGED_MS = INTERVAL_MS * 5 / 4 + STEP_MS;

/** Sends a ping and reads its answer: with it the server has taken all that was sent before. */
async function talk(peer: RawPeer, id: number): Promise<void> {
  await peer.send({ type: "ping", id });
  const pong = await peer.next();
  assert.deepEqual(pong.type === "pong" && pong.id, id);
}

for (const kind of KINDS) {
  Deno.test(`${kind}: who talks is not pinged, who is quiet once an interval, who is dead no more`, async () => {
    const clock = new FakeClock();
    const options = {
      clock,
      random: seededRandom(8),
      heartbeat: { intervalMs: INTERVAL_MS, misses: MISSES },
    };
    await withServer(options, async ({ server }) => {
      await using peer = await openRaw(kind, server);
      await peer.send({ type: "connect", id: 1 });
      assert.equal((await peer.next()).type, "connected");

      // Whatever the server sends on the wire comes before the answer to the next ping of ours.
      for (let turn = 0; turn < 20; turn++) {
        clock.advance(INTERVAL_MS - STEP_MS);
        await talk(peer, turn);
      }

      for (let turn = 0; turn < 10; turn++) {
        clock.advance(INTERVAL_MS - STEP_MS);
        await talk(peer, turn);
        clock.advance(PINGED_MS);
        const ping = await peer.next();
        assert(ping.type === "ping");
        await peer.send({ type: "pong", id: ping.id });
        await talk(peer, turn);
      }
      assert.equal(server.transports, 1);

      // One step before the bound is over the end is decided, within one more.
      clock.advance(BOUND_MS - 2 * STEP_MS);
      assert.equal(server.transports, 1);
      for (let miss = 0; miss < MISSES; miss++) assert.equal((await peer.next()).type, "ping");
      clock.advance(2 * STEP_MS);
      assert.equal(server.transports, 0);
      assert.deepEqual(await peer.end(), {
        code: CloseCode.PING_TIMEOUT,
        reason: `Nothing was heard of the peer for ${BOUND_MS} ms`,
      });
      assert.equal(server.sessions.count, 1, "the session may go on");
    });
  });
}
