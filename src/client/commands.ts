import { CommandError, ErrorCode } from "../protocol/error_code.ts";
import type {
  ClientMessage,
  ErrorReply,
  History,
  HistoryQuery,
  Members,
  PresenceQuery,
  Publish,
  Published,
  Refresh,
  Refreshed,
  Result,
  Rpc,
  Subscribe,
  Subscribed,
  Track,
  Tracked,
  Unsubscribe,
  Unsubscribed,
} from "../protocol/message.ts";
import { OutcomeUnknownError } from "./errors.ts";

/** A message that the server answers. */
export type CommandMessage =
  | Subscribe
  | Unsubscribe
  | Track
  | Publish
  | PresenceQuery
  | HistoryQuery
  | Rpc
  | Refresh;

/** An answer to a command. */
export type Reply =
  | Subscribed
  | Unsubscribed
  | Tracked
  | Published
  | Members
  | History
  | Result
  | Refreshed;

/** Of one transport: whoever asked asks anew over the next, or cannot know. */
const LOST_WITH_TRANSPORT: readonly CommandMessage["type"][] = [
  "subscribe",
  "unsubscribe",
  "track",
  "rpc",
];

/** The answer to each command, by its type. */
export interface ReplyTo {
  subscribe: Subscribed;
  unsubscribe: Unsubscribed;
  track: Tracked;
  publish: Published;
  presence: Members;
  history: History;
  rpc: Result;
  refresh: Refreshed;
}

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

/** A command to which {@linkcode Commands} gives its ID. */
export type NewCommand = WithoutId<CommandMessage>;

/** What may wait: each limit protects the page from itself while the server is away. */
export interface CommandLimits {
  readonly maxPendingCommands: number;
  readonly maxPendingBytes: number;
}

interface Command {
  readonly message: CommandMessage;
  readonly bytes: number;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
  sent: boolean;
}

/**
 * The commands that wait: to be sent, or for an answer. They outlive transports.
 *
 * - IDs rise. Commands leave in the order in which they were made.
 * - What was sent and not answered when a transport is lost: queries are sent again; publications
 *   too, if the session resumed, where the server knows an ID that it has seen; the rest is
 *   rejected with an {@linkcode OutcomeUnknownError}.
 */
export class Commands {
  readonly #limits: CommandLimits;
  readonly #send: (message: ClientMessage) => void;
  /** In order of their IDs. Without an ID: those that want no answer, until they are sent. */
  readonly #pending = new Set<Command>();
  readonly #byId = new Map<number, Command>();
  #bytes = 0;
  #inFlight = 0;
  #lastId = 0;
  #open = false;

  /** `send` is called while open only, and throws if a message can never be sent. */
  constructor(limits: CommandLimits, send: (message: ClientMessage) => void) {
    this.#limits = limits;
    this.#send = send;
  }

  /** How many wait. */
  get size(): number {
    return this.#pending.size;
  }

  /** An ID above all given before, for a message that does not wait here. */
  nextId(): number {
    return ++this.#lastId;
  }

  /**
   * Sends a command as soon as it can be, and resolves with the answer.
   *
   * Rejects with a {@linkcode CommandError} if the server refuses it or if too much waits already.
   */
  request<Type extends keyof ReplyTo>(
    command: NewCommand & { readonly type: Type },
  ): Promise<ReplyTo[Type]> {
    return this.begin(command).reply as Promise<ReplyTo[Type]>;
  }

  /** As `request()`, for who must know the ID before the answer comes. */
  begin(command: NewCommand): { id: number; reply: Promise<Reply> } {
    const id = this.nextId();
    return { id, reply: this.#add({ ...command, id } as CommandMessage) };
  }

  /** Sends a publication that wants no answer as soon as it can be, and resolves when it has. */
  async announce(publication: WithoutId<Publish>): Promise<void> {
    await this.#add({ ...publication, id: 0 });
  }

  /** Takes an answer; ignores one that nobody waits for. */
  settle(reply: Reply | ErrorReply): void {
    const command = this.#byId.get(reply.id);
    if (command === undefined || !command.sent) return;
    this.#remove(command);
    this.#inFlight--;
    if (reply.type === "error") command.reject(new CommandError(reply.code, reply.message));
    else command.resolve(reply as Reply);
    this.#pump();
  }

  /** The client is connected; `resumed`: its session is the one of before. */
  open(resumed: boolean): void {
    this.#open = true;
    this.#inFlight = 0;
    for (const command of this.#pending) {
      if (!command.sent) continue;
      command.sent = false;
      const { type } = command.message;
      if (type === "presence" || type === "history" || (type === "publish" && resumed)) continue;
      this.#remove(command);
      command.reject(new OutcomeUnknownError(type));
    }
    this.#pump();
  }

  /** The transport is lost. Nothing is sent until `open()`. */
  interrupt(): void {
    this.#open = false;
    for (const command of this.#pending) {
      const { type } = command.message;
      if (!command.sent || !LOST_WITH_TRANSPORT.includes(type)) continue;
      this.#remove(command);
      command.reject(new OutcomeUnknownError(type));
    }
  }

  /** Rejects all that wait. */
  fail(error: Error): void {
    this.#open = false;
    for (const command of this.#pending) {
      this.#remove(command);
      command.reject(error);
    }
  }

  #add(message: CommandMessage): Promise<Reply> {
    const bytes = "data" in message ? message.data.bytes.length : 0;
    const { maxPendingCommands, maxPendingBytes } = this.#limits;
    if (this.#pending.size >= maxPendingCommands) {
      return Promise.reject(tooMany("commands", maxPendingCommands));
    }
    if (this.#bytes + bytes > maxPendingBytes) {
      return Promise.reject(tooMany("bytes", maxPendingBytes));
    }
    return new Promise((resolve, reject) => {
      const command = { message, bytes, resolve, reject, sent: false };
      this.#pending.add(command);
      if (message.id > 0) this.#byId.set(message.id, command);
      this.#bytes += bytes;
      this.#pump();
    });
  }

  /** Sends what waits, as far as the server answers. */
  #pump(): void {
    if (!this.#open || this.#inFlight >= MAX_IN_FLIGHT) return;
    for (const command of this.#pending) {
      if (command.sent) continue;
      try {
        this.#send(command.message);
      } catch (error) {
        this.#remove(command);
        command.reject(error);
        continue;
      }
      if (command.message.id === 0) {
        this.#remove(command);
        command.resolve(NO_REPLY);
        continue;
      }
      command.sent = true;
      if (++this.#inFlight >= MAX_IN_FLIGHT) return;
    }
  }

  #remove(command: Command): void {
    this.#pending.delete(command);
    this.#byId.delete(command.message.id);
    this.#bytes -= command.bytes;
  }
}

/** Half of what a server lets wait for one session by default (`maxPendingCommands`: 128). */
const MAX_IN_FLIGHT = 64;

/** What a publication that wants no answer resolves with; nobody looks at it. */
const NO_REPLY = { type: "published", id: 0, position: { epoch: "", offset: 0 } } as const;

function tooMany(unit: string, limit: number): CommandError {
  return new CommandError(ErrorCode.TOO_MANY, `Too many ${unit} wait for the server: ${limit}`);
}
