import { OPEN, serve } from "../../../src/mod.ts";
import { drive } from "../drive.mjs";
import { nowMicros } from "../load/stamp.ts";

/**
 * Slipstream at the near end of a link. Arguments: its address, a folder for its certificate, and
 * the channel to publish in: `ordered:…`, `latest:one`, or `latest:many`, where each message is of
 * a key by chance.
 */
const [hostname, developmentFolder, channel] = Deno.args as [string, string, string];
const server = await serve({
  hostname,
  port: 0,
  developmentPort: false,
  tls: { developmentFolder },
  origins: { allowMissing: true },
  namespaces: {
    ordered: { permissions: OPEN },
    latest: { delivery: "latest", permissions: OPEN },
  },
});

/** Keys of `latest:many`. At 600 messages a second one in eight pauses lasts over a second. */
const KEYS = 300;
/** What was published in `latest:many`: key and time, in microseconds. */
const published: [key: string, micros: number][] = [];

drive({ url: server.url }, (text) => {
  const options: { key?: string } = {};
  if (channel === "latest:one") options.key = "one";
  if (channel === "latest:many") {
    options.key = `key${Math.floor(Math.random() * KEYS)}`;
    text = `<t${Math.round(nowMicros())}>`;
    published.push([options.key, Number(text.slice(2, -1))]);
  }
  server.publish(channel, text, options).catch(reportError);
}, () => ({ published: published.splice(0) }));
