// Run by build_test.ts under Node: publishes to a channel of the server at argv[3] with the SDK at
// argv[2], and prints what comes back.
const { connect } = await import(process.argv[2]);
const client = connect(process.argv[3]);
const channel = client.channel("chat:node");
const received = new Promise((resolve) => {
  channel.subscribe({ onPublication: ({ data }) => resolve(data) });
});
await client.ready;
await channel.publish({ from: "node" });
process.stdout.write(JSON.stringify({
  transport: client.transport,
  data: await received,
  fallbacks: client.fallbacks,
}));
client.close();
