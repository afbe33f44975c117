import { CapsuleParser } from "../../src/http3/capsule.ts";
import type { Field } from "../../src/http3/qpack.ts";
import type { SlipstreamServer } from "../../src/mod.ts";
import * as binary from "../../src/protocol/binary.ts";
import type { CloseInfo } from "../../src/protocol/close_code.ts";
import { Framer } from "../../src/protocol/framer.ts";
import * as json from "../../src/protocol/json.ts";
import type { ClientMessage, ServerMessage } from "../../src/protocol/message.ts";
import { SUBPROTOCOL } from "../../src/protocol/subprotocol.ts";
import { TRANSPORT_HEADER } from "../../src/transport/sse_handler.ts";
import { CapsuleType, decodeCloseCapsule } from "../../src/webtransport/close_capsule.ts";
import { concat } from "../bytes.ts";
import { CLIENT_SETTINGS, RawQuicClient } from "../conformance/raw_quic_client.ts";
import { bidirectionalHeader } from "../conformance/server.ts";
import { MessageQueue } from "../transport/message_queue.ts";
import { EventReader } from "../transport/sse_peer.ts";
import { certPem, type Kind } from "./harness.ts";

/** A peer that says what a test wants, over any transport of a whole server. */
export interface RawPeer extends AsyncDisposable {
  send(...messages: ClientMessage[]): Promise<void>;
  /** Sends what is no message. */
  sendGarbage(): Promise<void>;
  /** The next message on the control lane. */
  next(): Promise<ServerMessage>;
  /** Reads on until the end, which it returns. */
  end(): Promise<CloseInfo>;
  /** Goes away without a word. */
  cut(): Promise<void>;
}

/** Opens a peer; throws what the server refuses it with, as {@linkcode Refusal}. */
export async function openRaw(
  kind: Kind,
  server: SlipstreamServer,
  options: { origin?: string } = {},
): Promise<RawPeer> {
  switch (kind) {
    case "webtransport":
      return await openWebTransport(server, options.origin);
    case "websocket":
      return await openWebSocket(server);
    case "sse":
      return await openSse(server);
  }
}

/** The fields of a CONNECT. */
export function connectFields(port: number, path = "/rt/wt", origin?: string): Field[] {
  return [
    [":method", "CONNECT"],
    [":protocol", "webtransport"],
    [":scheme", "https"],
    [":authority", `localhost:${port}`],
    [":path", path],
    ...(origin === undefined ? [] : [["origin", origin] as const]),
  ];
}

/** Asks for a WebTransport session, and returns the answer's status. */
export async function connectStatus(
  server: SlipstreamServer,
  path: string,
  origin?: string,
): Promise<{ status: number; fields: Map<string, string> }> {
  const client = await RawQuicClient.connect({ addr: server, cert: certPem });
  try {
    await client.openControl(CLIENT_SETTINGS);
    const stream = await client.request(connectFields(server.port, path, origin));
    return await stream.readResponse();
  } finally {
    await client.close();
  }
}

async function openWebTransport(server: SlipstreamServer, origin?: string): Promise<RawPeer> {
  const client = await RawQuicClient.connect({ addr: server, cert: certPem });
  await client.openControl(CLIENT_SETTINGS);
  const connect = await client.request(connectFields(server.port, "/rt/wt", origin));
  const { status } = await connect.readResponse();
  if (status !== 200) throw new Error(`A session was expected: ${status}`);
  const control = await client.openBidirectional(bidirectionalHeader(connect.id));
  const framer = new Framer(1 << 24);
  const queue = new MessageQueue(async () => {
    const chunk = await control.read();
    if (chunk === undefined) {
      await control.end().catch(() => {});
      return undefined;
    }
    framer.push(chunk);
    const messages: ServerMessage[] = [];
    for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
      messages.push(binary.decodeServerMessage(frame));
    }
    return messages;
  });
  return {
    send: (...messages) => control.write(concat(...messages.map(binary.encodeClientMessage))),
    sendGarbage: () => control.write(Uint8Array.of(2, 0x7f, 0)),
    next: () => queue.next(),
    async end() {
      queue.drain();
      const capsules = new CapsuleParser({
        maxCapsuleBytes: 1028,
        known: new Set([CapsuleType.CLOSE_WEBTRANSPORT_SESSION]),
      });
      while (true) {
        const event = await connect.readFrame();
        if (event?.type !== "data") throw new Error("A close capsule was expected: the end");
        capsules.push(event.chunk);
        const capsule = capsules.next();
        if (capsule === undefined) continue;
        const { closeCode, reason } = decodeCloseCapsule(capsule.payload);
        await connect.end();
        return { code: closeCode, reason };
      }
    },
    cut: () => client.close(0x102),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

async function openWebSocket(server: SlipstreamServer): Promise<RawPeer> {
  const socket = new WebSocket(
    `ws://localhost:${server.developmentPort}/rt/ws`,
    SUBPROTOCOL.binary,
  );
  socket.binaryType = "arraybuffer";
  const closed = Promise.withResolvers<CloseInfo>();
  const messages: ServerMessage[] = [];
  let wake = () => {};
  const framer = new Framer(1 << 24);
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onmessage = ({ data }) => {
      framer.push(new Uint8Array(data));
      for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
        messages.push(binary.decodeServerMessage(frame));
      }
      wake();
    };
    socket.onclose = ({ code, reason }) => {
      closed.resolve({ code, reason });
      reject(new Error(`The WebSocket did not open: ${code}`));
    };
  });
  const end = async () => {
    socket.close();
    await closed.promise;
  };
  return {
    send(...messages) {
      socket.send(concat(...messages.map(binary.encodeClientMessage)) as BufferSource);
      return Promise.resolve();
    },
    sendGarbage() {
      socket.send(Uint8Array.of(2, 0x7f, 0));
      return Promise.resolve();
    },
    async next() {
      while (messages.length === 0) await new Promise<void>((resolve) => wake = resolve);
      return messages.shift()!;
    },
    end: () => closed.promise,
    cut: end,
    [Symbol.asyncDispose]: end,
  };
}

async function openSse(server: SlipstreamServer): Promise<RawPeer> {
  const base = `http://localhost:${server.developmentPort}`;
  const client = Deno.createHttpClient({});
  const events = new EventReader(await fetch(`${base}/rt/sse`, { client }));
  const { transport } = JSON.parse((await events.next())!.data);
  const queue = new MessageQueue(async () => {
    const event = await events.next();
    if (event === undefined) return undefined;
    if (event.event === "close") return JSON.parse(event.data);
    return event.data.split("\n").map(json.decodeServerMessage);
  });
  const post = async (body: string) => {
    const headers = { [TRANSPORT_HEADER]: transport, "content-type": "application/json" };
    const response = await fetch(`${base}/rt/send`, { method: "POST", headers, body, client });
    await response.body?.cancel();
  };
  return {
    send: (...messages) => post(messages.map(json.encodeClientMessage).join("\n")),
    sendGarbage: () => post("hello"),
    next: () => queue.next(),
    end() {
      queue.drain();
      return queue.closed;
    },
    cut: () => events.cancel(),
    async [Symbol.asyncDispose]() {
      await events.cancel();
      client.close();
    },
  };
}
