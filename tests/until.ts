/**
 * Resolves once `condition` holds, for what a real file or
 * socket brings and no fake clock can.
 *
 * @throws {Error} If it does not hold within `timeoutMs`, naming `what`.
 */
export async function until(
  condition: () => boolean,
  what = "the condition",
  timeoutMs = 10_000,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`Not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
