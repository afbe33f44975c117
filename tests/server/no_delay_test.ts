import assert from "node:assert/strict";
import { turnNagleOff } from "../../src/server/no_delay.ts";
import { createDevelopmentCertificate } from "../../src/tls/development_certificate.ts";

const linux = Deno.build.os === "linux";

Deno.test({
  name: "without the permission Nagle's algorithm stays on, and it is said why",
  ignore: !linux,
  permissions: { ffi: false },
  fn: () => assert.equal(turnNagleOff(1), "it takes --allow-ffi"),
});

Deno.test({
  name: "a peer of a TLS socket gets small messages at once: its socket inherits TCP_NODELAY",
  ignore: !linux,
  async fn() {
    const { certPem, keyPem } = await createDevelopmentCertificate();
    const listener = Deno.listenTls({ hostname: "localhost", port: 0, cert: certPem, key: keyPem });
    const { port } = listener.addr as Deno.NetAddr;
    const libc = Deno.dlopen("libc.so.6", {
      getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
      getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
    });
    /** TCP_NODELAY of every socket on the port, the one that listens first. */
    const noDelay = () =>
      Array.from({ length: 1024 }, (_, fd) => fd).flatMap((fd) => {
        const [address, value] = [new Uint8Array(28), new Int32Array(1)];
        const { getsockname, getsockopt } = libc.symbols;
        if (getsockname(fd, address, new Uint32Array([28])) !== 0) return [];
        if ((address[2]! << 8 | address[3]!) !== port) return [];
        getsockopt(fd, 6, 1, value, new Uint32Array([4]));
        return [value[0]];
      });
    try {
      assert.deepEqual(noDelay(), [0]);
      assert.equal(turnNagleOff(port), undefined);
      const [server, client] = await Promise.all([
        listener.accept(),
        Deno.connect({ hostname: "localhost", port }),
      ]);
      assert.deepEqual(noDelay(), [1, 1]);
      server.close();
      client.close();
    } finally {
      listener.close();
      libc.close();
    }
  },
});

Deno.test({
  name: "a port that nobody listens on is told",
  ignore: !linux,
  fn: () => assert.match(turnNagleOff(1)!, /^no socket listens on the port: 1$/),
});
