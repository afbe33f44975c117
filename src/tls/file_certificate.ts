import type { Clock, TimerId } from "../policy/clock.ts";
import { type Certificate, type CertificateSource, parseCertificate } from "./certificate.ts";

/** What {@linkcode FileCertificate.open} reads, and how it tells of trouble later. */
export interface FileCertificateOptions {
  /** Path of the chain in PEM, the server's own certificate first. */
  readonly certFile: string;
  /** Path of the private key in PEM. */
  readonly keyFile: string;
  /** How often the files are looked at, in milliseconds; 0 never. */
  readonly reloadIntervalMs: number;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Told why changed files are not served; the certificate before them stays. */
  readonly onError: (error: unknown) => void;
}

/**
 * A certificate in two files, served anew when they change. The files are looked at rather than
 * watched: certificate tools replace them by renaming and by switching links, which watches on a
 * path miss.
 */
export class FileCertificate implements CertificateSource {
  /** The issuer vouches: clients need no hash. */
  readonly hashes = undefined;
  readonly #options: FileCertificateOptions;
  #current: Certificate;
  #timer: TimerId | undefined;
  #lastError = "";
  #stopped = false;

  private constructor(options: FileCertificateOptions, current: Certificate) {
    this.#options = options;
    this.#current = current;
  }

  /** @throws {TypeError} If a file is missing or holds something else, naming it. */
  static async open(options: FileCertificateOptions): Promise<FileCertificate> {
    return new FileCertificate(options, await read(options));
  }

  get current(): Certificate {
    return this.#current;
  }

  watch(onReplaced: (certificate: Certificate) => void): void {
    const { clock, reloadIntervalMs } = this.#options;
    if (reloadIntervalMs === 0) return;
    const look = async () => {
      await this.#look(onReplaced);
      if (!this.#stopped) this.#timer = clock.setTimeout(look, reloadIntervalMs);
    };
    this.#timer = clock.setTimeout(look, reloadIntervalMs);
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) this.#options.clock.clearTimeout(this.#timer);
  }

  async #look(onReplaced: (certificate: Certificate) => void): Promise<void> {
    try {
      const found = await read(this.#options);
      this.#lastError = "";
      const { certPem, keyPem } = this.#current;
      if (this.#stopped || found.certPem === certPem && found.keyPem === keyPem) return;
      this.#current = found;
      onReplaced(found);
    } catch (error) {
      // Files are read again at every look, so that a pair caught half-written mends itself; the
      // same trouble is told once.
      const text = String(error);
      if (text !== this.#lastError) this.#options.onError(error);
      this.#lastError = text;
    }
  }
}

async function read(options: FileCertificateOptions): Promise<Certificate> {
  const { certFile, keyFile } = options;
  return await parseCertificate(
    await readText(certFile, "a certificate"),
    await readText(keyFile, "a private key"),
    { cert: certFile, key: keyFile },
    options.now(),
  );
}

async function readText(path: string, expected: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new TypeError(
      `${path} must be a readable file with ${expected} in PEM: ${reason(error)}`,
    );
  }
}

function reason(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  return error instanceof Error ? error.message : String(error);
}
