import assert from "node:assert/strict";
import type { Http3Connection } from "../../src/http3/connection.ts";
import { ErrorCode, Http3Error } from "../../src/http3/error.ts";
import { Http3Listener } from "../../src/http3/listener.ts";
import { HTTP3_DEFAULTS } from "../../src/http3/options.ts";
import { createDevelopmentCertificate } from "../../src/tls/development_certificate.ts";
import { CLIENT_SETTINGS, RawQuicClient } from "../conformance/raw_quic_client.ts";
import { until } from "../until.ts";

Deno.test("streams that a client gives up are no errors, malformed ones are counted", async () => {
  const { certPem, keyPem } = await createDevelopmentCertificate({ hostnames: ["localhost"] });
  let connection: Http3Connection | undefined;
  const listener = new Http3Listener({
    isProxy: () => false,
    hostname: "127.0.0.1",
    port: 0,
    cert: certPem,
    key: keyPem,
    limits: { ...HTTP3_DEFAULTS, maxStreamErrorsPerMinute: 1 },
    createHandlers(made) {
      connection = made;
      return {
        onRequest() {},
        onBidirectionalStream() {},
        onUnidirectionalStream() {},
        onDatagram() {},
        onGoaway() {},
        onClosed() {},
      };
    },
    onError(error) {
      throw error;
    },
  });
  const client = await RawQuicClient.connect({ addr: listener.addr, cert: certPem });
  await client.openControl(CLIENT_SETTINGS);
  await until(() => connection !== undefined, "the connection");
  await connection!.settings;
  for (let count = 0; count < 100; count++) {
    connection!.reject(new Http3Error(ErrorCode.REQUEST_CANCELLED, "stream", "reset"));
  }
  connection!.reject(new Http3Error(ErrorCode.MESSAGE_ERROR, "stream", "malformed"));
  assert.equal(connection!.isClosed, false);
  connection!.reject(new Http3Error(ErrorCode.MESSAGE_ERROR, "stream", "malformed"));
  assert.equal((await client.end()).closeCode, ErrorCode.MESSAGE_ERROR);
  await client.close();
  await listener.close();
});
