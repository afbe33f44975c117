import assert from "node:assert/strict";
import { limitsFrom, memoryLimitFiles } from "../../src/capacity/limits.ts";

const PROC_LIMITS = `Limit                     Soft Limit           Hard Limit           Units     
Max processes             96272                96272                processes 
Max open files            1024                 524288               files     
Max locked memory         8388608              8388608              bytes     
`;

const HEAP = 4_000_000_000;
const MEMINFO = "MemTotal:        2000000 kB\nMemFree:         1000000 kB\n";

function limits(files: Record<string, string>) {
  return limitsFrom((path) => files[path], HEAP);
}

Deno.test("limitsFrom() takes the soft limit of open files", () => {
  assert.equal(limits({ "/proc/self/limits": PROC_LIMITS }).openFiles, 1024);
  const unlimited = PROC_LIMITS.replace("1024     ", "unlimited");
  assert.equal(limits({ "/proc/self/limits": unlimited }).openFiles, Infinity);
});

Deno.test("limitsFrom() says what it cannot read", () => {
  assert.deepEqual(limits({}), { openFiles: undefined, memoryBytes: undefined, heapBytes: HEAP });
  assert.deepEqual(limits({ "/proc/self/limits": "", "/proc/meminfo": "MemTotal: much\n" }), {
    openFiles: undefined,
    memoryBytes: undefined,
    heapBytes: HEAP,
  });
});

for (
  const { name, files, expected } of [
    { name: "the machine's memory alone", files: {}, expected: 2_048_000_000 },
    {
      name: "a cgroup of version 2",
      files: { "/proc/self/cgroup": "0::/app\n", "/sys/fs/cgroup/app/memory.max": "536870912\n" },
      expected: 536_870_912,
    },
    {
      name: "a cgroup of version 2 without a limit",
      files: { "/proc/self/cgroup": "0::/app\n", "/sys/fs/cgroup/app/memory.max": "max\n" },
      expected: 2_048_000_000,
    },
    {
      name: "a limit on the group above",
      files: {
        "/proc/self/cgroup": "0::/slice/app\n",
        "/sys/fs/cgroup/slice/memory.max": "268435456\n",
        "/sys/fs/cgroup/slice/app/memory.max": "536870912\n",
      },
      expected: 268_435_456,
    },
    {
      name: "a container whose path is the host's",
      files: {
        "/proc/self/cgroup": "4:memory:/docker/0123\n0::/\n",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "134217728\n",
      },
      expected: 134_217_728,
    },
    {
      name: "version 1 without a limit",
      files: {
        "/proc/self/cgroup": "7:cpu,memory:/app\n",
        "/sys/fs/cgroup/memory/app/memory.limit_in_bytes": "9223372036854771712\n",
      },
      expected: 2_048_000_000,
    },
  ]
) {
  Deno.test(`limitsFrom() finds the memory of ${name}`, () => {
    assert.equal(limits({ "/proc/meminfo": MEMINFO, ...files }).memoryBytes, expected);
  });
}

Deno.test("memoryLimitFiles() leaves the other controllers of version 1 alone", () => {
  assert.deepEqual(memoryLimitFiles("9:name=systemd:/\n8:pids:/a\n4:memory:/a/b\n"), [
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
    "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
  ]);
  assert.deepEqual(memoryLimitFiles("no such file"), []);
});
