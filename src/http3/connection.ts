import { encodeVarint, varintLength } from "../varint.ts";
import type { TimerId } from "../policy/clock.ts";
import { Budget } from "./budget.ts";
import { ClientStreams } from "./client_streams.ts";
import { decodeDatagram } from "./datagram.ts";
import { ErrorCode, Http3Error } from "./error.ts";
import { encodeFrame, FrameType } from "./frame.ts";
import type { Http3Options } from "./options.ts";
import { RequestStream } from "./request_stream.ts";
import { encodeSettings, SettingId } from "./settings.ts";
import { StreamType } from "./unidirectional_stream.ts";

/** How a QUIC connection ended. */
export interface Http3End {
  /** Who closed it; `"nobody"` if the peer went silent or QUIC failed. */
  readonly by: "peer" | "us" | "nobody";
  /** The error code of the CONNECTION_CLOSE frame; 0 if there was none. */
  readonly closeCode: number;
  readonly reason: string;
}

/** What is done with what arrives. None of these may throw; what they start has its own catch. */
export interface Http3Handlers {
  /** A request whose head is complete and valid. */
  onRequest(stream: RequestStream): void;
  /** A WebTransport stream whose header is read: the next byte is its first own one. */
  onBidirectionalStream(sessionId: number, stream: Deno.QuicBidirectionalStream): void;
  /** The same for a unidirectional one. */
  onUnidirectionalStream(sessionId: number, stream: Deno.QuicReceiveStream): void;
  /** An HTTP Datagram for the request stream `streamId`; the payload is the receiver's to keep. */
  onDatagram(streamId: number, payload: Uint8Array): void;
  /** The client will open no more requests. */
  onGoaway(): void;
  /** Called once, last. */
  onClosed(end: Http3End): void;
}

/**
 * One HTTP/3 connection of a client (RFC 9114) over a QUIC connection that is accepted but may
 * still be in its handshake.
 *
 * - It reads every stream that the client opens as far as its kind, and hands it on.
 * - It alone closes QUIC: {@linkcode Http3Connection.close} at once,
 *   {@linkcode Http3Connection.shutdown} after the last request, or by itself when it is idle.
 * - It opens one stream of its own, for control. It opens no QPACK streams: with a dynamic table
 *   of capacity 0 neither would ever carry a byte (RFC 9204 §4.2).
 */
export class Http3Connection {
  readonly quic: Deno.QuicConn;
  readonly options: Http3Options;
  /** Where what arrives goes. */
  readonly handlers: Http3Handlers;
  /** The client's SETTINGS; stays pending if the connection ends before they come. */
  readonly settings: Promise<ReadonlyMap<number, number>>;
  /** Resolves when QUIC is closed and every handler knows. */
  readonly closed: Promise<Http3End>;
  readonly #resolveSettings: (settings: ReadonlyMap<number, number>) => void;
  readonly #streams: Budget;
  readonly #datagrams: Budget;
  readonly #streamErrors: Budget;
  readonly #overhead: Budget;
  /** Requests under way, and all that keeps their streams referenced: a collected one sends FIN. */
  readonly #requests = new Set<RequestStream>();
  #control: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #closing: { closeCode: number; reason: string } | undefined;
  /** What must come next: the end of the handshake, then SETTINGS. */
  #deadline: TimerId | undefined;
  #idle: TimerId | undefined;
  #nextRequestId = 0;
  #goawayId = Infinity;

  constructor(
    quic: Deno.QuicConn,
    options: Http3Options,
    createHandlers: (connection: Http3Connection) => Http3Handlers,
  ) {
    this.quic = quic;
    this.options = options;
    const { clock } = options;
    this.#streams = new Budget(options.maxStreamsPerSecond, 1000, clock);
    this.#datagrams = new Budget(options.maxDatagramsPerSecond, 1000, clock);
    this.#streamErrors = new Budget(options.maxStreamErrorsPerMinute, 60_000, clock);
    this.#overhead = new Budget(options.maxOverheadBytesPerMinute, 60_000, clock);
    const { promise, resolve } = Promise.withResolvers<ReadonlyMap<number, number>>();
    this.settings = promise;
    this.#resolveSettings = resolve;
    this.handlers = createHandlers(this);
    this.closed = this.#watch();
  }

  /** Whether QUIC is closed, or about to be. */
  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /** Whether new requests are refused, because a GOAWAY has said so. */
  get isShuttingDown(): boolean {
    return this.#goawayId !== Infinity;
  }

  /** Waits for the handshake, then serves; resolves when serving has begun or the handshake failed. */
  async start(): Promise<void> {
    const { clock, handshakeTimeoutMs, settingsTimeoutMs } = this.options;
    this.#deadline = this.closeAfter(handshakeTimeoutMs, "The handshake took too long");
    // A handshake that fails ends in `closed`, one that hangs in the timer.
    await Promise.race([this.quic.handshake.catch(() => {}), this.closed]);
    if (this.isClosed) return;
    clock.clearTimeout(this.#deadline);
    this.#deadline = this.closeAfter(settingsTimeoutMs, "SETTINGS took too long");
    this.#openControl().catch((error) => this.#fail(error));
    this.#acceptBidirectional().catch((error) => this.#fail(error));
    this.#acceptUnidirectional().catch((error) => this.#fail(error));
    this.#readDatagrams().catch((error) => this.#fail(error));
  }

  /**
   * Closes QUIC now. Only the first call counts.
   *
   * @param closeCode An HTTP/3 error code.
   * @param reason What went wrong, for the peer's log.
   */
  close(closeCode: number, reason = ""): void {
    if (this.#closing !== undefined) return;
    this.#closing = { closeCode, reason };
    this.quic.close({ closeCode, reason });
  }

  /** Refuses new requests and closes QUIC when the last one under way has ended. */
  shutdown(): void {
    if (this.isClosed || this.isShuttingDown) return;
    this.#goawayId = this.#nextRequestId;
    const id = new Uint8Array(varintLength(this.#goawayId));
    encodeVarint(this.#goawayId, id, 0);
    this.#control?.write(encodeFrame(FrameType.GOAWAY, id)).catch(() => {});
    if (this.#requests.size === 0) this.close(ErrorCode.NO_ERROR);
  }

  /**
   * Starts a timer that closes QUIC with H3_EXCESSIVE_LOAD; its owner stops it with the clock.
   *
   * @param what What did not come in time, for the peer's log.
   */
  closeAfter(ms: number, what: string): TimerId {
    return this.options.clock.setTimeout(
      () => this.close(ErrorCode.EXCESSIVE_LOAD, `${what}: ${ms} ms`),
      ms,
    );
  }

  /**
   * Acts on what a parser threw: closes QUIC, or counts the stream's error. Takes no other error. A
   * stream that the client gave up is none: how many it may open has a budget of its own.
   */
  reject(error: Http3Error): void {
    if (error.code === ErrorCode.REQUEST_CANCELLED) return;
    if (error.scope === "connection" || !this.#streamErrors.spend(1)) {
      this.close(error.code, error.message);
    }
  }

  /** Counts bytes that carried nothing; closes QUIC and returns false if they are too many. */
  spendOverhead(bytes: number): boolean {
    if (bytes === 0 || this.#overhead.spend(bytes)) return true;
    this.close(
      ErrorCode.EXCESSIVE_LOAD,
      `Bytes without content must stay within the budget: ${this.options.maxOverheadBytesPerMinute}`,
    );
    return false;
  }

  /** A request begins. */
  enter(stream: RequestStream): void {
    this.#requests.add(stream);
    this.#nextRequestId = Math.max(this.#nextRequestId, stream.id + 4);
    this.#clear(this.#idle);
  }

  /**
   * A request has ended.
   *
   * @param idleMs How long QUIC may now be idle, if this was the last one.
   */
  leave(stream: RequestStream, idleMs = this.options.idleTimeoutMs): void {
    if (!this.#requests.delete(stream) || this.#requests.size > 0) return;
    if (this.isShuttingDown) this.close(ErrorCode.NO_ERROR);
    else this.#becomeIdle(idleMs);
  }

  /** The control stream brought the client's SETTINGS. */
  receiveSettings(settings: ReadonlyMap<number, number>): void {
    this.#clear(this.#deadline);
    this.#resolveSettings(settings);
    if (this.#requests.size === 0) this.#becomeIdle(this.options.idleTimeoutMs);
  }

  #becomeIdle(ms: number): void {
    this.#clear(this.#idle);
    if (this.isClosed) return;
    this.#idle = this.options.clock.setTimeout(() => this.close(ErrorCode.NO_ERROR), ms);
  }

  #clear(timer: TimerId | undefined): void {
    if (timer !== undefined) this.options.clock.clearTimeout(timer);
  }

  async #openControl(): Promise<void> {
    const stream = await this.quic.createUnidirectionalStream();
    this.#control = stream.getWriter();
    const settings = encodeFrame(
      FrameType.SETTINGS,
      encodeSettings([
        [SettingId.QPACK_MAX_TABLE_CAPACITY, 0],
        [SettingId.QPACK_BLOCKED_STREAMS, 0],
        [SettingId.MAX_FIELD_SECTION_SIZE, this.options.maxFieldSectionBytes],
        [SettingId.ENABLE_CONNECT_PROTOCOL, 1],
        [SettingId.H3_DATAGRAM, 1],
        // Every draft's way to say it, and no WT_INITIAL_*: flow control stays off.
        [SettingId.ENABLE_WEBTRANSPORT, 1],
        [SettingId.WEBTRANSPORT_MAX_SESSIONS_DRAFT07, 1],
        [SettingId.WT_MAX_SESSIONS_DRAFT13, 1],
      ]),
    );
    const bytes = new Uint8Array(1 + settings.length);
    bytes[0] = StreamType.CONTROL;
    bytes.set(settings, 1);
    await this.#control.write(bytes);
  }

  async #acceptBidirectional(): Promise<void> {
    // A reader: an iterator would cost every idle connection half a kilobyte more.
    const reader = this.quic.incomingBidirectionalStreams.getReader();
    while (true) {
      const { value: stream, done } = await reader.read();
      if (done || !this.#spendStream()) return;
      new RequestStream(this, stream).open();
    }
  }

  async #acceptUnidirectional(): Promise<void> {
    const streams = new ClientStreams(this);
    const reader = this.quic.incomingUnidirectionalStreams.getReader();
    while (true) {
      const { value: stream, done } = await reader.read();
      if (done || !this.#spendStream()) return;
      streams.open(stream);
    }
  }

  #spendStream(): boolean {
    if (this.isClosed) return false;
    if (this.#streams.spend(1)) return true;
    this.close(
      ErrorCode.EXCESSIVE_LOAD,
      `Streams within a second must not exceed ${this.options.maxStreamsPerSecond}`,
    );
    return false;
  }

  async #readDatagrams(): Promise<void> {
    while (!this.isClosed) {
      const datagram = await this.quic.readDatagram();
      if (!this.#datagrams.spend(1)) {
        return this.close(
          ErrorCode.EXCESSIVE_LOAD,
          `Datagrams within a second must not exceed ${this.options.maxDatagramsPerSecond}`,
        );
      }
      const { streamId, payload } = decodeDatagram(datagram);
      this.handlers.onDatagram(streamId, payload);
    }
  }

  /** Acts on the end of a loop: the peer's error, or QUIC's own end, of which `closed` tells. */
  #fail(error: unknown): void {
    if (error instanceof Http3Error) this.reject(error);
    else this.quic.close({ closeCode: ErrorCode.INTERNAL_ERROR, reason: "" });
  }

  async #watch(): Promise<Http3End> {
    let end: Http3End;
    try {
      end = { by: "peer", ...await this.quic.closed };
    } catch (error) {
      end = { by: "nobody", closeCode: 0, reason: error instanceof Error ? error.message : "" };
    }
    if (this.#closing !== undefined) end = { by: "us", ...this.#closing };
    this.#closing ??= { closeCode: end.closeCode, reason: end.reason };
    this.#clear(this.#deadline);
    this.#clear(this.#idle);
    for (const request of this.#requests) request.abort();
    this.#requests.clear();
    this.handlers.onClosed(end);
    return end;
  }
}
