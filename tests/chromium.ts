import puppeteer, { type Browser } from "puppeteer-core";
import { findProgram } from "./setup.ts";

/** Starts the system's Chromium, headless. */
export async function launchChromium(): Promise<Browser> {
  const executablePath = findProgram("chromium");
  if (executablePath === undefined) throw new Error("Chromium is not installed");
  // --disable-quic must never be here: WebTransport goes with it.
  const args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
  // A script in a page may take 20 s.
  return await puppeteer.launch({ executablePath, headless: true, args, protocolTimeout: 20_000 });
}
