import assert from "node:assert/strict";
import { ChannelKeys } from "../../src/broker/redis_keys.ts";
import { RedisBroker } from "../../src/broker/redis_broker.ts";
import { RedisOnceStore } from "../../src/broker/redis_once_store.ts";
import { RedisLimitStore } from "../../src/broker/redis_limit_store.ts";
import { RedisSessionStore } from "../../src/broker/redis_session_store.ts";
import { shardOf } from "../../src/broker/redis_shards.ts";
import { systemClock } from "../../src/policy/clock.ts";
import { systemRandom } from "../../src/policy/random.ts";
import { createDevelopmentCertificate } from "../../src/tls/development_certificate.ts";
import { until } from "../until.ts";
import { testBroker, testPresence } from "./conformance.ts";
import { KEEP, startLimitStores, startNodes, startPresence } from "./redis_nodes.ts";
import { startSentinel } from "./redis_sentinel.ts";
import { TestRedis } from "./redis_server.ts";
import { Watch } from "./redis_watch.ts";
import { testLimitStore } from "./test_limit_store.ts";

// A Cluster takes two seconds to come to terms: one for all, in which each test has its own prefix.
let servers: TestRedis[] = [];
let prefixes = 0;
Deno.test.beforeAll(async () => {
  servers = await startCluster();
});
Deno.test.afterAll(async () => {
  for (const server of servers) await server.stop();
});

testBroker("RedisBroker over a Cluster", async (count) => {
  const cluster = servers.map(({ url }) => url);
  const prefix = `test${++prefixes}`;
  const nodes = await startNodes(count, { cluster, prefix }, { start: false });
  return {
    nodes: nodes.brokers,
    delivered: () => nodes.delivered(),
    advance: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
    async forget(channel: string) {
      const { meta, history, latest, order } = new ChannelKeys(prefix, channel);
      // One of the three has the slot, the others say where it is.
      await Promise.allSettled(
        servers.map((server) => server.ask((client) => client.del(meta, history, latest, order))),
      );
    },
    async close() {
      await nodes.close();
      assert.deepEqual(nodes.errors, []);
    },
  };
});

testLimitStore(
  "RedisLimitStore over a Cluster",
  (ttlMs) =>
    startLimitStores(
      { cluster: servers.map(({ url }) => url), prefix: `test${++prefixes}` },
      ttlMs,
    ),
);

testPresence("RedisPresence over a Cluster", async (count) => {
  const cluster = servers.map(({ url }) => url);
  const { nodes, errors, delivered, close } = await startPresence(count, {
    cluster,
    prefix: `test${++prefixes}`,
  });
  return {
    nodes,
    delivered,
    async close() {
      await close();
      assert.deepEqual(errors, []);
    },
  };
});

Deno.test("Cluster: presence of a node that dies goes after its time, and its channel's slot may move", async () => {
  const prefix = `test${++prefixes}`;
  const cluster = servers.map(({ url }) => url);
  const { nodes, brokers, close } = await startPresence(2, { cluster, prefix }, 1500);
  const left: string[] = [];
  await nodes[1]!.start({ joined() {}, left: (_channel, { session }) => left.push(session) });
  await nodes[0]!.start({ joined() {}, left() {} });
  await nodes[0]!.join("c", { session: "dies" });
  await nodes[1]!.join("c", { session: "stays" });
  const key = new ChannelKeys(prefix, "c").members;
  await moveSlot(servers, await servers[0]!.ask((client) => client.cluster("KEYSLOT", key)));
  assert.equal(await nodes[1]!.count("c"), 2);
  await brokers[0]!.close();
  await until(() => left.length > 0, "the lease ends");
  assert.deepEqual(left, ["dies"]);
  assert.deepEqual(await nodes[1]!.members("c", 9), [{ session: "stays" }]);
  await close();
});

Deno.test("Cluster: a slot that moves under load loses nothing unsaid", async () => {
  const watch = await Watch.start(2, { cluster: servers.map(({ url }) => url), timeoutMs: 500 });
  const stop = watch.load();
  await until(() => watch.kept.length > 50, "load");
  const key = new ChannelKeys("slipstream", "c").meta;
  const slot = await servers[0]!.ask((client) => client.cluster("KEYSLOT", key));
  await moveSlot(servers, slot);
  await watch.recovered(1);
  await stop();
  await watch.recovered();
  assert(watch.account().kept > 50);
  await watch.close();
});

Deno.test("Sentinel: a replica takes over under load, and nothing is lost unsaid", async () => {
  const redis = await startSentinel();
  const watch = await Watch.start(2, {
    sentinels: redis.sentinels,
    timeoutMs: 500,
  });
  const stop = watch.load();
  await until(() => watch.kept.length > 50, "load");
  await redis.master.kill();
  await watch.recovered(1);
  await stop();
  await watch.recovered();
  const account = watch.account();
  assert(account.refused > 0 && account.gaps >= 2, JSON.stringify(account));
  await watch.close();
  await redis.stop();
});

Deno.test("TLS: a server is reached by a certificate that is trusted, and by no other", async () => {
  const { certPem, keyPem } = await createDevelopmentCertificate();
  const folder = await Deno.makeTempDir({ prefix: "slipstream_tls_" });
  await Deno.writeTextFile(`${folder}/cert.pem`, certPem);
  await Deno.writeTextFile(`${folder}/key.pem`, keyPem);
  const redis = await TestRedis.start([
    ...["--port", "0", "--tls-port", "{port}", "--tls-auth-clients", "no"],
    ...["--tls-cert-file", `${folder}/cert.pem`, "--tls-key-file", `${folder}/key.pem`],
    ...["--tls-ca-cert-file", `${folder}/cert.pem`],
  ]);
  const url = `rediss://localhost:${redis.port}`;
  const broker = open({ url, ca: certPem, timeoutMs: 5000 });
  await broker.start(SINK);
  assert.equal((await broker.publish(PUBLICATION, KEEP)).offset, 1);
  await broker.close();
  await assert.rejects(
    open({ url, timeoutMs: 1000 }).start(SINK),
    /Redis is out of reach|no answer/,
  );
  await redis.stop();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("ACL: a user with just these rights suffices, and a wrong password is told", async () => {
  const folder = await Deno.makeTempDir({ prefix: "slipstream_acl_" });
  await Deno.writeTextFile(
    `${folder}/users.acl`,
    `user default off
user node on >p@ss/word ~slipstream:* &slipstream:* -@all +@hash +@sortedset +@stream +@scripting +@pubsub +@connection +info +time +del +pexpire +get +set +getdel +psetex +incrby +pttl
`,
  );
  const redis = await TestRedis.start(["--aclfile", `${folder}/users.acl`]);
  const at = (password: string) => `redis://node:${password}@127.0.0.1:${redis.port}/0`;
  const nodes = await startNodes(1, { url: at(encodeURIComponent("p@ss/word")) });
  const [broker] = nodes.brokers;
  await broker!.subscribe("c", KEEP);
  assert.equal((await broker!.publish(PUBLICATION, KEEP)).offset, 1);
  await broker!.latest("l", { ...KEEP, latest: true });
  assert.equal((await broker!.history("c", KEEP, { limit: 9 })).publications.length, 1);
  const sessions = new RedisSessionStore(broker!);
  await sessions.announce("aaaaaaaa", 1000);
  assert.equal(await sessions.isThere("aaaaaaaa"), true);
  await sessions.put("s", "aaaaaaaa", { node: "aaaaaaaa", text: "proof" }, 1000);
  assert.equal(await sessions.renew("s", "aaaaaaaa", 1000), "kept");
  assert.equal(await sessions.take("s", "aaaaaaaa", "bbbbbbbb", "proof", 1000), "proof");
  await sessions.remove("s", "bbbbbbbb");
  await sessions.announce("aaaaaaaa", 0);
  const tickets = new RedisOnceStore(broker!);
  await tickets.put("t", "text", 1000);
  assert.equal(await tickets.take("t"), "text");
  const limits = new RedisLimitStore({ broker: broker!, node: "aaaaaaaa", ttlMs: 1000 });
  assert.equal(await limits.take("r", 10, 5), 0);
  assert.equal(await limits.claim("n", 0, 3, 2), 2);
  await nodes.close();
  assert.deepEqual(nodes.errors, []);
  await assert.rejects(open({ url: at("wrong"), timeoutMs: 2000 }).start(SINK), /WRONGPASS/);
  await redis.stop();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("several servers share channels evenly, and a server more moves its share alone", () => {
  const names = ["10.0.0.1:6379", "10.0.0.2:6379", "10.0.0.3:6379", "10.0.0.4:6379"];
  const counts = [0, 0, 0, 0];
  let moved = 0;
  for (let at = 0; at < 10_000; at++) {
    const channel = `chat:${at}`;
    const shard = shardOf(names, channel);
    counts[shard]!++;
    const three = shardOf(names.slice(0, 3), channel);
    if (three !== shard) {
      moved++;
      assert.equal(shard, 3);
    }
  }
  for (const count of counts) assert(count > 2300 && count < 2700, `${counts}`);
  assert.equal(moved, counts[3]);
});

Deno.test("options that name no Redis, or two, are refused without telling a password", () => {
  assert.throws(() => open({}), /Redis needs one of url, urls, sentinels and cluster: 0 given/);
  assert.throws(() => open({ url: "redis://a", urls: ["redis://b"] }), /: 2 given/);
  assert.throws(
    () => open({ url: "http://user:secret@host" }),
    /A Redis URL must be .*: "http:\/\/…@host"/,
  );
});

const SINK = { publication() {}, interrupted() {} };
const PUBLICATION = {
  channel: "c",
  data: { format: "json", bytes: new TextEncoder().encode("1") },
} as const;

function open(redis: ConstructorParameters<typeof RedisBroker>[0]["redis"]): RedisBroker {
  return new RedisBroker({ redis, clock: systemClock, random: systemRandom, onError() {} });
}

/** Three masters that share the slots, without replicas. */
async function startCluster(): Promise<TestRedis[]> {
  const options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"];
  const servers = await Promise.all([0, 1, 2].map(() => TestRedis.start(options)));
  const third = Math.ceil(16_384 / 3);
  for (const [at, server] of servers.entries()) {
    await server.ask(async (client) => {
      const last = Math.min((at + 1) * third, 16_384) - 1;
      await client.call("CLUSTER", "ADDSLOTSRANGE", at * third, last);
      await client.call("CLUSTER", "SET-CONFIG-EPOCH", at + 1);
      if (at > 0) await client.call("CLUSTER", "MEET", "127.0.0.1", servers[0]!.port);
    });
  }
  for (const server of servers) {
    await server.ask(async (client) => {
      for (;;) {
        const info = `${await client.call("CLUSTER", "INFO")}`;
        if (/cluster_state:ok/.test(info) && /cluster_known_nodes:3/.test(info)) break;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
  }
  return servers;
}

/** Which server has a slot that was moved. */
const owners = new Map<number, number>();

/** Moves a slot from the server that has it to another, as `redis-cli --cluster reshard` does. */
async function moveSlot(servers: readonly TestRedis[], slot: number): Promise<void> {
  const from = owners.get(slot) ?? Math.floor(slot / Math.ceil(16_384 / 3));
  const to = (from + 1) % 3;
  owners.set(slot, to);
  const ids = await Promise.all(
    servers.map((server) =>
      server.ask(async (client) => `${await client.call("CLUSTER", "MYID")}`)
    ),
  );
  const set = (at: number, ...args: string[]) =>
    servers[at]!.ask((client) => client.call("CLUSTER", "SETSLOT", slot, ...args));
  await set(to, "IMPORTING", ids[from]!);
  await set(from, "MIGRATING", ids[to]!);
  await servers[from]!.ask(async (client) => {
    for (;;) {
      const keys = await client.call("CLUSTER", "GETKEYSINSLOT", slot, 100) as string[];
      if (keys.length === 0) break;
      const { port } = servers[to]!;
      await client.call("MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", ...keys);
    }
  });
  await set(to, "NODE", ids[to]!);
  for (const at of servers.keys()) if (at !== to) await set(at, "NODE", ids[to]!);
}
