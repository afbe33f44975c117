import assert from "node:assert/strict";
import fc from "fast-check";
import { capacityOf } from "../../src/capacity/capacity.ts";
import { tuningFor, type Wish } from "../../src/capacity/tuning.ts";

const LIMITS = { openFiles: 1024, memoryBytes: 4e9, heapBytes: 2e9 };
const SYSCTL: Readonly<Record<string, string>> = {
  "/proc/sys/fs/nr_open": "1048576\n",
  "/proc/sys/fs/file-max": "9223372036854775807\n",
  "/proc/sys/net/core/somaxconn": "128\n",
  "/proc/sys/net/core/rmem_default": "212992\n",
  "/proc/sys/net/ipv4/tcp_mem": "94368\t125827\t188736\n",
  "/proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
};

function needs(wish: Partial<Wish>, limits = LIMITS, files = SYSCTL) {
  const all = tuningFor(
    {
      sessions: 50_000,
      transports: ["webtransport", "websocket", "sse"],
      datagramsPerSecond: 20,
      ...wish,
    },
    limits,
    (path) => files[path],
  );
  return new Map(all.map((need) => [need.name, need]));
}

for (
  const { name, transports, needed, now, change } of [
    // (100,000 + 32) / 0.9
    {
      name: "open files",
      transports: undefined,
      needed: 111_147,
      now: 1024,
      change: "ulimit -n 111147   (systemd: LimitNOFILE=111147)",
    },
    {
      name: "open files",
      transports: ["websocket"],
      needed: 55_592,
      now: 1024,
      change: "ulimit -n 55592   (systemd: LimitNOFILE=55592)",
    },
    {
      name: "V8 heap",
      transports: ["webtransport"],
      needed: 3_627_777_778,
      now: 2e9,
      change: "deno run --v8-flags=--max-old-space-size=3460 …",
    },
    {
      name: "net.core.somaxconn",
      transports: ["websocket"],
      needed: 511,
      now: 128,
      change: "sysctl -w net.core.somaxconn=511",
    },
    {
      name: "net.core.rmem_default",
      transports: ["webtransport"],
      needed: 41_600_000,
      now: 212_992,
      change: "sysctl -w net.core.rmem_default=41600000",
    },
    {
      name: "net.ipv4.tcp_mem",
      transports: ["websocket"],
      needed: 250_000,
      now: 188_736,
      change: 'sysctl -w net.ipv4.tcp_mem="94368 125827 250000"',
    },
    {
      name: "net.ipv4.ip_local_port_range",
      transports: ["websocket"],
      needed: 50_000,
      now: 28_232,
      change: 'sysctl -w net.ipv4.ip_local_port_range="1024 65535"',
    },
    {
      name: "webtransport.maxConnections",
      transports: undefined,
      needed: 50_000,
      now: 10_000,
      change: "webtransport: { maxConnections: 50000 }",
    },
  ] as const
) {
  Deno.test(`tuningFor() 50,000 over ${transports ?? "all"}: ${name}`, () => {
    const need = needs(transports ? { transports } : {}).get(name)!;
    assert.deepEqual(
      { needed: need.needed, now: need.now, change: need.change },
      { needed, now, change },
    );
  });
}

Deno.test("tuningFor() asks for addresses where one has not enough ports", () => {
  const need = needs({ transports: ["sse"] }).get("net.ipv4.ip_local_port_range")!;
  assert.match(need.change, /^2 source addresses, each with sysctl/);
});

Deno.test("tuningFor() leaves out what a transport does not need", () => {
  const names = [...needs({ transports: ["webtransport"] }).keys()];
  assert.deepEqual(names, [
    "open files",
    "fs.nr_open",
    "fs.file-max",
    "memory",
    "V8 heap",
    "admission.maxSessions",
    "net.core.rmem_default",
    "webtransport.maxConnections",
  ]);
  assert.equal(needs({ transports: ["websocket"] }).has("net.core.rmem_default"), false);
});

Deno.test("tuningFor() looks at tracked flows only where they are tracked", () => {
  const name = "net.netfilter.nf_conntrack_max";
  assert.equal(needs({}).has(name), false);
  const files = { ...SYSCTL, "/proc/sys/net/netfilter/nf_conntrack_max": "65536\n" };
  assert.equal(needs({}, LIMITS, files).get(name)!.needed, 100_000);
});

Deno.test("tuningFor() says what it cannot read", () => {
  assert.equal(needs({}, LIMITS, {}).get("net.core.somaxconn")!.now, undefined);
});

Deno.test("tuningFor() asks for what capacityOf() finds sufficient, and for no more", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.constantFrom("webtransport" as const, "websocket" as const, "sse" as const),
      (sessions, kind) => {
        const all = needs({ sessions, transports: [kind] });
        const exact = {
          openFiles: all.get("open files")!.needed,
          memoryBytes: all.get("memory")!.needed,
          heapBytes: all.get("V8 heap")!.needed,
        };
        assert.ok(capacityOf(exact).sessions[kind] >= sessions);
        const less = { ...exact, memoryBytes: exact.memoryBytes - 2 };
        assert.ok(capacityOf(less).sessions[kind] < sessions);
        if (kind === "webtransport") return;
        const fewer = { ...exact, openFiles: exact.openFiles - 1 };
        assert.ok(capacityOf(fewer).sessions[kind] < sessions);
      },
    ),
    { seed: 6, numRuns: 500 },
  );
});
