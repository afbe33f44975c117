import { CloseCode, type CloseInfo } from "./close_code.ts";

/** The reason of a {@linkcode CloseCode.OVERLOADED}: why, and in how many milliseconds to come back. */
export function overloadedReason(why: string, retryAfterMs: number): string {
  return `${why}; retry after ${Math.ceil(retryAfterMs)} ms`;
}

/** The wait that a close asks for, in milliseconds; 0 if it asks for none, or for over two hours. */
export function retryAfterOf({ code, reason }: CloseInfo): number {
  if (code !== CloseCode.OVERLOADED) return 0;
  return Number(/; retry after (\d{1,7}) ms$/.exec(reason)?.[1] ?? 0);
}
