import assert from "node:assert/strict";
import { createDevelopmentCertificate } from "../../src/tls/development_certificate.ts";
import { FileCertificate } from "../../src/tls/file_certificate.ts";
import { FakeClock } from "../fake_clock.ts";
import { withTempFolder } from "../temp_folder.ts";
import { until } from "../until.ts";

const first = await createDevelopmentCertificate();
const second = await createDevelopmentCertificate();

async function open(folder: string, certPem = first.certPem, keyPem = first.keyPem) {
  const paths = { certFile: `${folder}/chain.pem`, keyFile: `${folder}/key.pem` };
  await Deno.writeTextFile(paths.certFile, certPem);
  await Deno.writeTextFile(paths.keyFile, keyPem);
  const clock = new FakeClock();
  const errors: unknown[] = [];
  const certificate = await FileCertificate.open({
    ...paths,
    reloadIntervalMs: 1000,
    clock,
    now: Date.now,
    onError: (error) => errors.push(error),
  });
  /** Lets one look happen, which really reads the files. */
  const look = async () => {
    clock.advance(1000);
    await until(() => clock.pendingTimers === 1);
  };
  return { ...paths, certificate, clock, errors, look };
}

Deno.test("FileCertificate.open() names a file that is missing", async () => {
  await withTempFolder(async (folder) => {
    const { certFile, keyFile } = await open(folder);
    const options = {
      certFile: `${folder}/absent.pem`,
      keyFile,
      reloadIntervalMs: 0,
      clock: new FakeClock(),
      now: Date.now,
      onError() {},
    };
    await assert.rejects(FileCertificate.open(options), {
      message: `${folder}/absent.pem must be a readable file with a certificate in PEM: ` +
        "there is no such file",
    });
    await assert.rejects(
      FileCertificate.open({ ...options, certFile, keyFile: `${folder}/no.key` }),
      /no\.key must be a readable file with a private key in PEM/,
    );
  });
});

Deno.test("FileCertificate serves a changed pair, and tells of it once", async () => {
  await withTempFolder(async (folder) => {
    const { certificate, certFile, keyFile, look } = await open(folder);
    const replaced: string[] = [];
    certificate.watch(({ certPem }) => replaced.push(certPem));
    await look();
    assert.deepEqual(replaced, []);
    await Deno.writeTextFile(certFile, second.certPem);
    await Deno.writeTextFile(keyFile, second.keyPem);
    await look();
    await look();
    assert.deepEqual(replaced, [second.certPem]);
    assert.equal(certificate.current.keyPem, second.keyPem);
    certificate.stop();
  });
});

Deno.test("FileCertificate keeps the old pair while the new one does not fit together", async () => {
  await withTempFolder(async (folder) => {
    const { certificate, certFile, keyFile, errors, look } = await open(folder);
    let replaced = 0;
    certificate.watch(() => replaced++);
    await Deno.writeTextFile(certFile, second.certPem);
    await look();
    await look();
    assert.equal(certificate.current.certPem, first.certPem);
    assert.equal(replaced, 0);
    assert.equal(errors.length, 1);
    assert.match(String(errors[0]), /key\.pem must hold the private key of the certificate/);
    await Deno.writeTextFile(keyFile, second.keyPem);
    await look();
    assert.equal(certificate.current.certPem, second.certPem);
    assert.equal(replaced, 1);
    certificate.stop();
  });
});

Deno.test("FileCertificate.stop() leaves no timer", async () => {
  await withTempFolder(async (folder) => {
    const { certificate, clock } = await open(folder);
    certificate.watch(() => {});
    assert.equal(clock.pendingTimers, 1);
    certificate.stop();
    certificate.stop();
    assert.equal(clock.pendingTimers, 0);
  });
});
