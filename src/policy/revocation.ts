/**
 * For how long the tokens of a user are refused that were issued before a time, in milliseconds: a day
 * is longer than a token that a browser holds should hold.
 */
export const REVOKED_MS = 86_400_000;

/** Users of whom that is known, in count: some 10 MB. Beyond it the one revoked first is forgotten. */
export const MAX_REVOKED = 100_000;
