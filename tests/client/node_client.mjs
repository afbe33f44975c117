// Run by build_test.ts under Node: publishes to a channel of the server at argv[3] with the SDK at
// argv[2], and prints what comes back.
const { connect } = await import(process.argv[2]);
const client = connect(process.argv[3]);
const channel = client.channel("chat:node");
const { promise: received, resolve } = deferred();
// Delivery begins with the next publication once the subscription runs.
await channel.subscribe({ onPublication: ({ data }) => resolve(data) }).ready;
await channel.publish({ from: "node" });
process.stdout.write(JSON.stringify({
  transport: client.transport,
  data: await received,
  fallbacks: client.fallbacks,
}));
client.close();

/** What `Promise.withResolvers()` is, which Node 20 lacks. */
function deferred() {
  let resolve;
  const promise = new Promise((settle) => resolve = settle);
  return { promise, resolve };
}
