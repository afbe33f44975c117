import type { Target } from "./target.ts";

/** The parsers of `src/protocol`. */
export const PROTOCOL_TARGETS: readonly Target[] = [];
