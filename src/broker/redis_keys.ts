/**
 * The names in Redis of what belongs to one channel.
 *
 * A Redis Cluster keeps all of it on one server, because what is in braces decides. Their content
 * ends at the first `}` of the channel's name, the same in each; the slash keeps it from being
 * empty, which would make the whole name count.
 */
export class ChannelKeys {
  /** What Redis publishes to. */
  readonly channel: string;

  constructor(prefix: string, name: string) {
    this.channel = `${prefix}:{/${name}}`;
  }

  /** Hash: epoch, newest offset, and the run of Redis that wrote them. */
  get meta(): string {
    return `${this.channel}:meta`;
  }

  /** Stream: publications by offset. */
  get history(): string {
    return `${this.channel}:history`;
  }

  /** Hash: the newest publication of each key. */
  get latest(): string {
    return `${this.channel}:latest`;
  }

  /** Sorted set: those keys by their offset. */
  get order(): string {
    return `${this.channel}:order`;
  }

  /** Hash: members by session, their node in front. */
  get members(): string {
    return `${this.channel}:members`;
  }

  /** Sorted set: sessions by when they joined. */
  get joined(): string {
    return `${this.channel}:joined`;
  }

  /** Hash: by node, until when its members are present. */
  get leases(): string {
    return `${this.channel}:leases`;
  }
}
