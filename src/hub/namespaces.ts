import type { Retention } from "../broker/broker.ts";
import { NAMESPACE_DEFAULTS, type NamespaceOptions } from "../options.ts";
import { parseChannelName } from "../protocol/channel_name.ts";
import { MAX_REVOKED, REVOKED_MS } from "../policy/revocation.ts";
import { CommandError, ErrorCode } from "../protocol/error_code.ts";

/** A namespace: its options, and what they ask of the broker. */
export interface Namespace extends NamespaceOptions {
  readonly retention: Retention;
}

/** What nodes tell one another; no client may do anything with it. */
export const NODES_CHANNEL = "$nodes";

/** Which tokens of which user nodes refuse, by user: one that starts learns of all. */
export const REVOKED_CHANNEL = "$revoked";

/** Of the channels on which nodes ask one another; nothing is kept. */
export const MAIL_NAMESPACE = "$mail";

/** The configured namespaces, by the part of a channel's name before its first `:`. */
export class Namespaces {
  readonly #byName: ReadonlyMap<string, Namespace>;

  constructor(options: Readonly<Record<string, NamespaceOptions>>) {
    this.#byName = new Map(
      Object.entries({
        ...options,
        [NODES_CHANNEL]: NAMESPACE_DEFAULTS,
        [REVOKED_CHANNEL]: REVOKED,
        [MAIL_NAMESPACE]: UNKEPT,
      })
        .map((
          [name, namespace],
        ) => [name, {
          ...namespace,
          retention: {
            historySize: namespace.historySize,
            historyTtlMs: namespace.historyTtlMs,
            latest: namespace.delivery === "latest",
            maxKeys: namespace.maxKeys,
            keyTtlMs: namespace.keyTtlMs,
          },
        }]),
    );
  }

  /**
   * The namespace of a channel.
   *
   * @throws {CommandError} With 400 if `channel` is no channel name, 404 if its namespace is not
   * configured.
   */
  of(channel: string): Namespace {
    const { namespace: name } = parseChannelName(channel);
    const namespace = this.#byName.get(name);
    if (namespace === undefined) {
      throw new CommandError(
        ErrorCode.NOT_FOUND,
        `There is no namespace "${name}"; configured are: ${this.#names()}`,
      );
    }
    return namespace;
  }

  #names(): string {
    const names = [...this.#byName.keys()].filter((name) => !name.startsWith("$"));
    const listed = names.slice(0, MAX_LISTED).join(", ");
    return names.length > MAX_LISTED ? `${listed}, …` : listed || "none";
  }
}

/** Enough to see a typing mistake, and short enough for an error. */
const MAX_LISTED = 10;

const UNKEPT = { ...NAMESPACE_DEFAULTS, historySize: 0 };

const REVOKED: NamespaceOptions = {
  ...NAMESPACE_DEFAULTS,
  delivery: "latest",
  settleMs: 0,
  maxKeys: MAX_REVOKED,
  keyTtlMs: REVOKED_MS,
};
