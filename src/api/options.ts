/** The HTTP API for backends, under `/api/`. */
export interface ApiOptions {
  /**
   * Who has one of them, in `Authorization: Bearer <key>`, may do everything; 32 characters or more
   * each. Several let one be replaced while backends still use the other.
   */
  readonly keys: readonly string[];
  /**
   * One request's body, in bytes.
   * @default 1048576
   */
  readonly maxBodyBytes?: number;
  /**
   * Publications in one request, in count.
   * @default 1000
   */
  readonly maxBatch?: number;
}

export const API_DEFAULTS: Required<Omit<ApiOptions, "keys">> = {
  maxBodyBytes: 1_048_576,
  maxBatch: 1000,
};

/** A key of fewer characters could be found by trying. */
export const MIN_KEY_LENGTH = 32;
