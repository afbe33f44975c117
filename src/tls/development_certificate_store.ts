import type { Clock, TimerId } from "../policy/clock.ts";
import { type Certificate, type CertificateSource, parseCertificate } from "./certificate.ts";
import { createDevelopmentCertificate } from "./development_certificate.ts";

/** What {@linkcode DevelopmentCertificateStore.open} needs. */
export interface DevelopmentCertificateStoreOptions {
  /** The folder for the certificate and its key; made if it is not there. */
  readonly folder: string;
  /** DNS names and IP addresses of the server. */
  readonly hostnames: readonly string[];
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Told of a renewal that failed; the next look tries again. */
  readonly onError: (error: unknown) => void;
}

/**
 * Makes the development certificate, keeps it in files for the next start, and renews it long
 * before it ends.
 *
 * A renewal has two steps, so that no client meets a certificate it has not heard of: first the
 * successor's hash is announced beside the current one's, an hour later the successor is served.
 */
export class DevelopmentCertificateStore implements CertificateSource {
  readonly #options: DevelopmentCertificateStoreOptions;
  #current: Certificate;
  #successor: Certificate | undefined;
  #switchAtMs = 0;
  #timer: TimerId | undefined;
  #stopped = false;

  private constructor(options: DevelopmentCertificateStoreOptions, current: Certificate) {
    this.#options = options;
    this.#current = current;
  }

  /** Takes the certificate of the last start if it has enough time left, else makes one. */
  static async open(
    options: DevelopmentCertificateStoreOptions,
  ): Promise<DevelopmentCertificateStore> {
    const kept = await readKept(options);
    return new DevelopmentCertificateStore(options, kept ?? await make(options));
  }

  get current(): Certificate {
    return this.#current;
  }

  get hashes(): readonly string[] {
    const hashes = [this.#current.sha256];
    if (this.#successor !== undefined) hashes.push(this.#successor.sha256);
    return hashes;
  }

  watch(onReplaced: (certificate: Certificate) => void): void {
    const { clock } = this.#options;
    const look = async () => {
      await this.#look(onReplaced).catch(this.#options.onError);
      if (!this.#stopped) this.#timer = clock.setTimeout(look, LOOK_INTERVAL_MS);
    };
    this.#timer = clock.setTimeout(look, LOOK_INTERVAL_MS);
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
  }

  async #look(onReplaced: (certificate: Certificate) => void): Promise<void> {
    const nowMs = this.#options.now();
    if (this.#successor !== undefined) {
      if (nowMs < this.#switchAtMs) return;
      this.#current = this.#successor;
      this.#successor = undefined;
      onReplaced(this.#current);
    } else if (this.#current.notAfterMs - nowMs <= RENEW_BEFORE_MS) {
      this.#successor = await make(this.#options);
      this.#switchAtMs = nowMs + ANNOUNCE_MS;
    }
  }
}

/** Two of at most fourteen days: a machine that sleeps over a weekend still renews in time. */
const RENEW_BEFORE_MS = 2 * 24 * 60 * 60 * 1000;

/** How long clients may hold what `/rt/info` told them before they connect. */
const ANNOUNCE_MS = 60 * 60 * 1000;

/**
 * Wall-clock time is looked at rather than waited for: a timer of days stands still while the
 * machine sleeps.
 */
const LOOK_INTERVAL_MS = 10 * 60 * 1000;

async function readKept(
  options: DevelopmentCertificateStoreOptions,
): Promise<Certificate | undefined> {
  const { cert, key, names } = files(options);
  try {
    // A certificate for other names is no use: it is made anew like one that ends soon.
    if (await Deno.readTextFile(names) !== namesText(options)) return undefined;
    const kept = await parseCertificate(
      await Deno.readTextFile(cert),
      await Deno.readTextFile(key),
      { cert, key },
      options.now(),
    );
    return kept.notAfterMs - options.now() > RENEW_BEFORE_MS ? kept : undefined;
  } catch (error) {
    // Nothing kept, or nothing usable: TypeError is parseCertificate()'s.
    if (error instanceof Deno.errors.NotFound || error instanceof TypeError) return undefined;
    throw error;
  }
}

async function make(options: DevelopmentCertificateStoreOptions): Promise<Certificate> {
  const { hostnames, folder, now } = options;
  const { cert, key, names } = files(options);
  const made = await createDevelopmentCertificate({ now: new Date(now()), hostnames });
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(cert, made.certPem);
  await Deno.writeTextFile(key, made.keyPem, { mode: 0o600 });
  await Deno.writeTextFile(names, namesText(options));
  return await parseCertificate(made.certPem, made.keyPem, { cert, key }, now());
}

function files(options: DevelopmentCertificateStoreOptions) {
  const base = `${options.folder}/development`;
  return { cert: `${base}.crt`, key: `${base}.key`, names: `${base}.names` };
}

function namesText(options: DevelopmentCertificateStoreOptions): string {
  return options.hostnames.join("\n") + "\n";
}
