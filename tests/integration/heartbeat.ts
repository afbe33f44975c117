/** The shortest heartbeat that there is: a dead peer is found within two seconds. */
export const HEARTBEAT = { intervalMs: 1000, misses: 1 } as const;
