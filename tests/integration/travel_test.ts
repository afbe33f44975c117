import assert from "node:assert/strict";
import { Child } from "../bench/child.ts";
import { TestRedis } from "../broker/redis_server.ts";
import { withTempFolder } from "../temp_folder.ts";
import { until } from "../until.ts";
import { KINDS } from "./harness.ts";
import { roam, withNodes } from "./nodes.ts";

for (const kind of KINDS) {
  Deno.test(`${kind}: a session goes on at another node, and nobody else notices`, async () => {
    await withNodes(2, async ([here, there]) => {
      const told: string[] = [];
      await here!.client("websocket").channel("chat:a").subscribe({
        onPublication: () => {},
        onJoin: ({ session }) => told.push(`join ${session}`),
        onLeave: ({ session }) => told.push(`leave ${session}`),
      }).ready;
      const { client, leadTo } = roam(here!.server.developmentUrl!, { transports: [kind] });
      try {
        const seen: number[] = [];
        const values = new Map<string, number>();
        const problems: string[] = [];
        await client.channel<number>("chat:a").subscribe({
          onPublication: ({ data }) => seen.push(data),
          onGap: ({ missed }) => problems.push(`a gap of ${missed}`),
        }).ready;
        await client.channel<number>("points:a").subscribe({
          keys: ["k"],
          onPublication: ({ key, data }) => values.set(key!, data),
        }).ready;
        const { session } = client;
        await until(() => told.includes(`join ${session}`), "the join is told");
        let number = 0;
        for (const node of [there!, here!, there!]) {
          leadTo(node.server.developmentUrl!);
          client.use([kind]);
          while (node.server.session(session!) === undefined) {
            number++;
            await here!.server.publish("chat:a", number);
            await there!.server.publish("points:a", number, { key: "k" });
          }
          await client.channel<number>("chat:a").publish(++number);
          await until(() => seen.at(-1) === number, "all has come");
          assert.equal(client.session, session);
        }
        await here!.server.publish("points:a", -1, { key: "other" });
        await there!.server.publish("points:a", number, { key: "k" });
        await until(() => values.get("k") === number, "the key that is tracked");
        assert.deepEqual([...values.keys()], ["k"]);
        assert.deepEqual(seen, Array.from({ length: number }, (_, at) => at + 1));
        assert.deepEqual(problems, []);
        const ofIt = told.filter((event) => event.endsWith(session!));
        assert.deepEqual(ofIt, [`join ${session}`], "it was present all the time");
        assert.equal(here!.server.session(session!), undefined);
      } finally {
        client.close();
      }
    });
  });
}

Deno.test("the POSTs of an SSE client may come to any node", async () => {
  await withNodes(2, async ([here, there]) => {
    const origin = here!.server.developmentUrl!;
    const stream = await fetch(`${origin}/rt/sse`);
    const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    const read = async (pattern: RegExp) => {
      while (!pattern.test(text)) {
        const { value, done } = await reader.read();
        assert.equal(done, false, text);
        text += value;
      }
      return pattern.exec(text)!;
    };
    const [, id] = await read(/"transport":"([0-9a-f]{32})"/);
    const post = (body: string, transport = id!) =>
      fetch(`${there!.server.developmentUrl}/rt/send`, {
        method: "POST",
        headers: { "content-type": "application/json", "slipstream-transport": transport },
        body,
      });
    const first = await post(
      '{"type":"connect","id":1}\n{"type":"subscribe","id":2,"channel":"chat:a"}',
    );
    assert.equal(first.status, 204);
    await read(/"subscribed"/);
    const second = await post('{"type":"publish","id":3,"channel":"chat:a","data":"hello"}');
    assert.equal(second.status, 204);
    await read(/"hello"/);
    const gone = await post("{}", `${id!.slice(0, 8)}${"0".repeat(24)}`);
    assert.equal(gone.status, 404);
    await gone.body?.cancel();
    const nowhere = await post("{}", "0".repeat(32));
    assert.equal(nowhere.status, 404, "a node that is not there");
    await nowhere.body?.cancel();
    const wrong = await post('{"type":"nonsense"}');
    assert.equal(wrong.status, 400);
    assert.match(await wrong.text(), /nonsense/);
    await read(/event: close/);
    await reader.cancel();
  });
});

Deno.test("a session is not had from another node without its ticket", async () => {
  await withNodes(2, async ([here, there]) => {
    const owner = here!.client("websocket");
    await owner.channel("chat:a").subscribe({ onPublication: () => {} }).ready;
    const url = there!.server.developmentUrl!.replace("http", "ws");
    const answer = await new Promise<Record<string, unknown>>((resolve, reject) => {
      const socket = new WebSocket(`${url}/rt/ws`, "slipstream.v1.json");
      socket.onerror = () => reject(new Error("The WebSocket failed"));
      socket.onopen = () =>
        socket.send(JSON.stringify({
          type: "connect",
          id: 1,
          resume: { session: owner.session, ticket: "0".repeat(32), positions: [] },
        }));
      socket.onmessage = ({ data }) => {
        socket.onclose = () => resolve(JSON.parse(data.split("\n")[0]));
        socket.close();
      };
    });
    assert.equal(answer.type, "connected");
    assert.equal(answer.resumed, false);
    assert.notEqual(answer.session, owner.session);
    assert.notEqual(here!.server.session(owner.session!), undefined);
    assert.equal(owner.state, "connected");
  });
});

for (const kind of KINDS) {
  Deno.test(`${kind}: the sessions of a node that was killed go on at another`, async () => {
    const redis = await TestRedis.start();
    try {
      await withTempFolder(async (folder) => {
        const script = new URL("node_process.ts", import.meta.url).pathname;
        const config = new URL("../../deno.json", import.meta.url).pathname;
        const start = async () => {
          const command = ["run", "-A", "--no-check", "--config", config, script];
          const node = new Child([Deno.execPath(), ...command, redis.url, folder]);
          return { node, url: (await node.ask<{ url: string }>()).url };
        };
        const doomed = await start();
        const other = await start();
        const { client, leadTo } = roam(doomed.url, { transports: [kind] });
        try {
          const seen: number[] = [];
          const problems: string[] = [];
          const states: string[] = [];
          client.on("state", (state) => states.push(state));
          await client.channel<number>("chat:a").subscribe({
            onPublication: ({ data }) => seen.push(data),
            onGap: ({ missed }) => problems.push(`a gap of ${missed}`),
          }).ready;
          const { session } = client;
          for (let number = 1; number <= 5; number++) {
            await client.channel<number>("chat:a").publish(number);
          }
          // A moment after the client has come others may know of it.
          await redis.ask(async (commands) => {
            const known = async () => {
              const texts = (await commands.keys("*:session")).map((key) => commands.get(key));
              return (await Promise.all(texts)).some((text) => text!.includes("chat:a"));
            };
            while (!await known());
          });
          leadTo(other.url);
          Deno.kill(doomed.node.pid!, "SIGKILL");
          // A QUIC that hears nothing would wait for its heartbeat.
          client.use([kind]);
          const writer = roam(other.url, { transports: ["websocket"] });
          for (let number = 6; number <= 10; number++) {
            await writer.client.channel<number>("chat:a").publish(number);
          }
          writer.client.close();
          await until(() => seen.length === 10, "all has come", 30_000);
          assert.equal(client.session, session, "it is the same session");
          await client.channel<number>("chat:a").publish(11);
          await until(() => seen.length === 11, "it goes on");
          assert.deepEqual(seen, Array.from({ length: 11 }, (_, at) => at + 1));
          assert.deepEqual(problems, []);
        } finally {
          client.close();
          await other.node.end();
          await doomed.node.end();
        }
      });
    } finally {
      await redis.stop();
    }
  });
}

Deno.test("a node that ends in good order leaves its sessions to the others", async () => {
  await withNodes(2, async ([here, there]) => {
    const told: string[] = [];
    await there!.client("websocket").channel("chat:a").subscribe({
      onPublication: () => {},
      onJoin: ({ session }) => told.push(`join ${session}`),
      onLeave: ({ session }) => told.push(`leave ${session}`),
    }).ready;
    const { client, leadTo } = roam(here!.server.developmentUrl!, { transports: ["websocket"] });
    try {
      const seen: unknown[] = [];
      const subscription = client.channel("chat:a").subscribe({
        onPublication: ({ data }) => seen.push(data),
      });
      await subscription.ready;
      const { session } = client;
      await until(() => told.includes(`join ${session}`), "the join is told");
      leadTo(there!.server.developmentUrl!);
      await here!.server.close();
      await there!.server.publish("chat:a", "meanwhile");
      await until(() => seen.length === 1, "it has come, over the other node", 20_000);
      assert.equal(client.session, session);
      const ofIt = told.filter((event) => event.endsWith(session!));
      assert.deepEqual(ofIt, [`join ${session}`]);
    } finally {
      client.close();
    }
  });
});
