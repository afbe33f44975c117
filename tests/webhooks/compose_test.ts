import assert from "node:assert/strict";
import { CommandError } from "../../src/protocol/error_code.ts";
import type { Hooks } from "../../src/session/hooks.ts";
import { composeHooks } from "../../src/webhooks/compose.ts";
import { publication, REQUEST, SESSION, text } from "./scene.ts";

const refuse = () => {
  throw new CommandError(403, "No");
};
const unasked = () => assert.fail("asked");

Deno.test("the second hook is asked about what the first has made of it, and both are heard", async () => {
  const seen: unknown[] = [];
  const { onConnect, onPublish } = composeHooks({
    onConnect: () => Promise.resolve({ user: "ann" }),
    onPublish: () => ({ data: text("milder") }),
  }, {
    onConnect: ({ user, info, address }) => {
      seen.push([user, info, address]);
      return { info: text("badge") };
    },
    onPublish: ({ data, channel }) => void seen.push([data, channel]),
  });
  assert.deepEqual(await onConnect!(REQUEST), { user: "ann", info: text("badge") });
  // At once: neither has to be waited for.
  assert.deepEqual(onPublish!(publication(text("rude"))), { data: text("milder") });
  assert.deepEqual(seen, [["ann", REQUEST.info, "192.0.2.1"], [text("milder"), "chat:a"]]);
});

Deno.test("what the first refuses, at once or later, the second is not asked about", async () => {
  for (const no of [refuse, () => Promise.reject(new CommandError(403, "No"))]) {
    const first: Hooks = { onConnect: no, onSubscribe: no, onPublish: no, onRpc: no };
    const second: Hooks = {
      onConnect: unasked,
      onSubscribe: unasked,
      onPublish: unasked,
      onRpc: unasked,
    };
    const { onConnect, onSubscribe, onPublish, onRpc } = composeHooks(first, second);
    const session = SESSION;
    const tries = [
      () => onConnect!(REQUEST),
      () => onSubscribe!({ session, channel: "a" }),
      () => onPublish!(publication(text("x"))),
      () => onRpc!({ session, method: "x", data: text("x") }),
    ];
    for (const each of tries) {
      await assert.rejects(async () => await each(), { name: "CommandError", message: "No" });
    }
  }
});

Deno.test("a call that the first answers is not the second's", async () => {
  const { onRpc } = composeHooks({
    onRpc: ({ method }) => method === "mine" ? text("first") : undefined,
  }, { onRpc: () => Promise.resolve(text("second")) });
  const call = (method: string) => onRpc!({ session: SESSION, method, data: text("") });
  assert.deepEqual(await call("mine"), text("first"));
  assert.deepEqual(await call("other"), text("second"));
});

Deno.test("both are told of a disconnect, even if one throws", async () => {
  const told: string[] = [];
  const { onDisconnect } = composeHooks({
    onDisconnect: () => {
      told.push("first");
      throw new Error("a bug of the app");
    },
  }, { onDisconnect: () => void told.push("second") });
  const tell = async () => await onDisconnect!(SESSION, { code: 3500, reason: "" });
  await assert.rejects(tell(), /a bug of the app/);
  assert.deepEqual(told.toSorted(), ["first", "second"]);
});

Deno.test("hooks may be the methods of a class", async () => {
  class App implements Hooks {
    readonly #name = "ann";
    onConnect() {
      return { user: this.#name };
    }
    onSubscribe() {
      if (this.#name !== "ann") throw new Error("another this");
    }
  }
  const { onConnect, onSubscribe, ...others } = composeHooks(new App(), { onConnect: () => {} });
  assert.deepEqual(await onConnect!(REQUEST), { user: "ann" });
  await onSubscribe!({ session: SESSION, channel: "a" });
  assert.deepEqual(others, {});
});
