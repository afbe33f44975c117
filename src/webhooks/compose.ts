import type { Hooks } from "../session/hooks.ts";

/**
 * The hooks of `first` and `second` as one: the second is asked about what the first has made of it,
 * and not at all if that refuses, or answers a call. Both are told of a disconnect. What both answer
 * at once is answered at once.
 */
export function composeHooks(first: Hooks, second: Hooks): Hooks {
  return {
    ...own(first),
    ...own(second),
    ...(first.onConnect && second.onConnect && {
      onConnect: (request) =>
        after(first.onConnect!(request), (changes) =>
          after(
            second.onConnect!({ ...request, ...changes }),
            (more) => ({ ...changes, ...more }),
          )),
    }),
    ...(first.onSubscribe && second.onSubscribe && {
      onSubscribe: (request) =>
        after(first.onSubscribe!(request), () => second.onSubscribe!(request)),
    }),
    ...(first.onPublish && second.onPublish && {
      onPublish: (request) =>
        after(first.onPublish!(request), (changes) =>
          after(
            second.onPublish!({ ...request, ...changes }),
            (more) => ({ ...changes, ...more }),
          )),
    }),
    ...(first.onRpc && second.onRpc && {
      onRpc: (request) =>
        after(first.onRpc!(request), (answer) => answer ?? second.onRpc!(request)),
    }),
    ...(first.onDisconnect && second.onDisconnect && {
      onDisconnect: async (session, info) => {
        // Called both before either is waited for: one that throws must not keep it from the other.
        const told = [second, first].map(async (hooks) => await hooks.onDisconnect!(session, info));
        await Promise.all(told);
      },
    }),
  };
}

/** All that `hooks` has, a class's methods too, as properties of an object of its own. */
function own(hooks: Hooks): Hooks {
  const entries = HOOKS.map((name) => [name, (hooks[name] as CallableFunction)?.bind(hooks)]);
  return Object.fromEntries(entries.filter(([, hook]) => hook !== undefined));
}

const HOOKS = [
  "onConnect",
  "onSubscribe",
  "onPublish",
  "onRpc",
  "onDisconnect",
] as const satisfies (keyof Hooks)[];

/** What `next` makes of `value`, at once unless that has to be waited for. */
function after<Value, Result>(
  value: Value | Promise<Value>,
  next: (value: Value) => Result | Promise<Result>,
): Result | Promise<Result> {
  // Whatever can be waited for is: a refusal may be in a promise that is not the runtime's own.
  const waits = typeof value === "object" && value !== null && "then" in value;
  return waits ? Promise.resolve(value).then(next) : next(value as Value);
}
