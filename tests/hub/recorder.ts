import type { Start, Subscriber } from "../../src/hub/subscriber.ts";
import type { EncodedMessage } from "../../src/protocol/encoded_message.ts";
import type { Position, Publication } from "../../src/protocol/message.ts";

/** A subscriber that writes down what it is told, once each. */
export class Recorder implements Subscriber {
  slot = -1;
  readonly session: string;
  readonly log: string[] = [];
  readonly messages: EncodedMessage[] = [];
  start: Start | undefined;
  onDeliver: (() => void) | undefined;
  #offset = 0;

  constructor(session = "s") {
    this.session = session;
  }

  begin(start: Start, replay: readonly EncodedMessage[]): void {
    if (this.start !== undefined) throw new Error("begin() came twice");
    this.start = start;
    this.log.push(`begin ${start.position.offset}${start.recovered ? "" : " unrecovered"}`);
    for (const { message } of replay) {
      if (message.type === "publication") this.log.push(`replay ${message.offset}`);
    }
    this.#offset = start.position.offset;
  }

  deliver(message: EncodedMessage, publication: Publication, settled: boolean): void {
    if (this.start === undefined) throw new Error("deliver() came before begin()");
    if (settled) this.log.push(`settled ${publication.offset}`);
    if (publication.offset <= this.#offset) return;
    this.#offset = publication.offset;
    this.messages.push(message);
    this.log.push(`${publication.offset}`);
    this.onDeliver?.();
  }

  inform({ message }: EncodedMessage): void {
    this.log.push(message.type);
  }

  gap(position: Position): void {
    this.#offset = position.offset;
    this.log.push(`gap ${position.offset}`);
  }
}
