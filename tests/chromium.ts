import puppeteer, { type Browser } from "puppeteer-core";
import { findProgram } from "./setup.ts";

/** How a {@linkcode launchChromium} differs from what tests mostly want. */
export interface ChromiumOptions {
  /** Throttles the timers of tabs in the background, as for users: to one wake-up a second. */
  readonly throttleBackground?: boolean;
  /** Opens pages whose certificate nobody vouches for. */
  readonly ignoreCertificates?: boolean;
}

/** Starts the system's Chromium, headless. */
export async function launchChromium(options: ChromiumOptions = {}): Promise<Browser> {
  const executablePath = findProgram("chromium");
  if (executablePath === undefined) throw new Error("Chromium is not installed");
  // --disable-quic must never be here: WebTransport goes with it.
  const args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
  const { throttleBackground = false, ignoreCertificates = false } = options;
  if (ignoreCertificates) args.push("--ignore-certificate-errors");
  return await puppeteer.launch({
    executablePath,
    headless: true,
    args,
    // A script in a page may take 20 s.
    protocolTimeout: 20_000,
    ...(throttleBackground && {
      ignoreDefaultArgs: [
        "--disable-background-timer-throttling",
        "--disable-backgrounding-occluded-windows",
        "--disable-renderer-backgrounding",
      ],
    }),
  });
}
