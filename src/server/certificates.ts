import type { ResolvedOptions } from "../resolve_options.ts";
import { type CertificateSource, parseCertificate } from "../tls/certificate.ts";
import { DevelopmentCertificateStore } from "../tls/development_certificate_store.ts";
import { FileCertificate } from "../tls/file_certificate.ts";

/**
 * Opens the certificate that the options ask for.
 *
 * @throws {TypeError} If it is missing, or certificate and key do not fit together, naming the file
 * or option.
 */
export async function openCertificates(options: ResolvedOptions): Promise<CertificateSource> {
  const { tls, clock, now, log } = options;
  if ("certFile" in tls) {
    return await FileCertificate.open({
      ...tls,
      clock,
      now,
      onError: (error) =>
        log({ level: "error", message: "The changed certificate is not served", error }),
    });
  }
  if ("developmentFolder" in tls) {
    return await DevelopmentCertificateStore.open({
      folder: tls.developmentFolder,
      hostnames: developmentHostnames(options.hostname),
      clock,
      now,
      onError: (error) =>
        log({ level: "error", message: "The development certificate is not renewed", error }),
    });
  }
  const names = { cert: "The option tls.cert", key: "The option tls.key" };
  const current = await parseCertificate(tls.cert, tls.key, names, now());
  return { current, hashes: undefined, watch() {}, stop() {} };
}

/** The names under which a server in development mode is reached. */
export function developmentHostnames(hostname: string): readonly string[] {
  const names = new Set(["localhost", "127.0.0.1", "::1"]);
  if (!isWildcard(hostname)) names.add(hostname);
  return [...names];
}

/** Whether `hostname` stands for every address of the machine. */
export function isWildcard(hostname: string): boolean {
  return hostname === "::" || hostname === "0.0.0.0";
}

/** A hostname as it stands in a URL: IPv6 addresses in brackets. */
export function urlHost(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}
