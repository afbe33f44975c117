import assert from "node:assert/strict";
import { setTcpOptions } from "../../src/server/tcp_options.ts";
import { createDevelopmentCertificate } from "../../src/tls/development_certificate.ts";

const linux = Deno.build.os === "linux";

Deno.test({
  name: "without the permission nothing is set, and it is said why",
  ignore: !linux,
  permissions: { ffi: false },
  fn: () => assert.equal(setTcpOptions(1, 0), "it takes --allow-ffi"),
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
      assert.equal(setTcpOptions(port, 0), undefined);
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
  fn: () => assert.match(setTcpOptions(1, 0)!, /^no socket listens on the port: 1$/),
});

Deno.test({
  name: "the kernel ends a socket whose peer has taken nothing for the user timeout",
  ignore: !linux,
  async fn() {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    assert.equal(setTcpOptions(listener.addr.port, 500), undefined);
    const client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    const server = await listener.accept();
    try {
      await assert.rejects(async () => {
        // As much as the windows and buffers of two sockets never hold.
        for (let written = 0; written < 1 << 28;) {
          written += await server.write(new Uint8Array(1 << 16));
        }
      }, Deno.errors.TimedOut);
    } finally {
      server.close();
      client.close();
      listener.close();
    }
  },
});
