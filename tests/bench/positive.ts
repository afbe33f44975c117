/**
 * The number that an option of the command line gives.
 *
 * @throws {RangeError} If it is none above 0.
 */
export function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new RangeError(`--${name} must be a number above 0: ${text}`);
  return value;
}
