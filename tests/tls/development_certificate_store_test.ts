import assert from "node:assert/strict";
import { DevelopmentCertificateStore } from "../../src/tls/development_certificate_store.ts";
import { FakeClock } from "../fake_clock.ts";
import { withTempFolder } from "../temp_folder.ts";
import { until } from "../until.ts";

const MINUTE_MS = 60 * 1000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** A store on a clock whose time of day moves with it. */
async function open(folder: string, startMs = Date.now(), hostnames = ["localhost"]) {
  const clock = new FakeClock(0);
  const errors: unknown[] = [];
  const store = await DevelopmentCertificateStore.open({
    folder: `${folder}/certs`,
    hostnames,
    clock,
    now: () => startMs + clock.now(),
    onError: (error) => errors.push(error),
  });
  /** Moves time without a look on the way, then lets one happen. */
  const pass = async (ms: number) => {
    clock.suspend(ms);
    clock.advance(0);
    await until(() => clock.pendingTimers === 1, "the next look is planned");
  };
  return { store, clock, errors, pass };
}

Deno.test("DevelopmentCertificateStore takes the certificate of the last start", async () => {
  await withTempFolder(async (folder) => {
    const first = await open(folder);
    const second = await open(folder);
    assert.equal(second.store.current.certPem, first.store.current.certPem);
    assert.deepEqual(second.store.hashes, [first.store.current.sha256]);
  });
});

Deno.test("DevelopmentCertificateStore lets nobody else read the key", async () => {
  await withTempFolder(async (folder) => {
    await open(folder);
    const { mode } = await Deno.stat(`${folder}/certs/development.key`);
    assert.equal(mode! & 0o777, 0o600);
  });
});

Deno.test("DevelopmentCertificateStore makes a new one for what it cannot use", async () => {
  for (
    const spoil of [
      (folder: string) => Deno.remove(`${folder}/certs/development.key`),
      (folder: string) => Deno.writeTextFile(`${folder}/certs/development.crt`, "no PEM"),
    ]
  ) {
    await withTempFolder(async (folder) => {
      const first = await open(folder);
      await spoil(folder);
      const second = await open(folder);
      assert.notEqual(second.store.current.certPem, first.store.current.certPem);
    });
  }
});

Deno.test("DevelopmentCertificateStore makes a new one for other hostnames", async () => {
  await withTempFolder(async (folder) => {
    const first = await open(folder);
    const second = await open(folder, Date.now(), ["localhost", "game.test"]);
    assert.notEqual(second.store.current.certPem, first.store.current.certPem);
  });
});

Deno.test("DevelopmentCertificateStore makes a new one at the start, 2 days before the end", async () => {
  await withTempFolder(async (folder) => {
    const first = await open(folder);
    const second = await open(folder, Date.now() + 12 * DAY_MS);
    assert.notEqual(second.store.current.certPem, first.store.current.certPem);
  });
});

Deno.test("DevelopmentCertificateStore announces a successor for an hour, then serves it", async () => {
  await withTempFolder(async (folder) => {
    const { store, clock, errors, pass } = await open(folder);
    const replaced: string[] = [];
    store.watch(({ sha256 }) => replaced.push(sha256));
    const old = store.current.sha256;

    await pass(11 * DAY_MS);
    assert.deepEqual(store.hashes, [old]);

    await pass(DAY_MS);
    const [announcedFirst, successor, ...more] = store.hashes;
    assert.equal(announcedFirst, old);
    assert.ok(successor !== undefined && successor !== old);
    assert.deepEqual(more, []);
    assert.equal(store.current.sha256, old);

    await pass(50 * MINUTE_MS);
    assert.deepEqual(replaced, []);
    await pass(10 * MINUTE_MS);
    assert.deepEqual(replaced, [successor]);
    assert.deepEqual(store.hashes, [successor]);
    assert.equal(store.current.sha256, successor);

    store.stop();
    assert.equal(clock.pendingTimers, 0);
    assert.deepEqual(errors, []);
  });
});

Deno.test("DevelopmentCertificateStore tries again after a renewal that failed", async () => {
  await withTempFolder(async (folder) => {
    const { store, errors, pass } = await open(folder);
    store.watch(() => {});
    await Deno.remove(`${folder}/certs`, { recursive: true });
    await Deno.writeTextFile(`${folder}/certs`, "in the way");
    await pass(12 * DAY_MS);
    assert.equal(errors.length, 1);
    assert.equal(store.hashes.length, 1);
    await Deno.remove(`${folder}/certs`);
    await pass(10 * MINUTE_MS);
    assert.equal(store.hashes.length, 2);
    store.stop();
  });
});
