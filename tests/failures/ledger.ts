import type { ReceivedPublication } from "../../src/client/mod.ts";

/** `unknown`: the session was lost before the answer came. */
export type Outcome = "kept" | "refused" | "unknown";

/** What is published: who wrote it, and its number among what the writer wrote to the channel. */
export interface Entry {
  readonly writer: number;
  readonly number: number;
}

/** What writers sent to a channel, and what became of it. */
export class SentLog {
  /** By writer, then by number; `undefined` while there is no answer. */
  readonly outcomes: (Outcome | undefined)[][] = [];

  next(writer: number): number {
    return (this.outcomes[writer] ??= []).push(undefined) - 1;
  }

  count(outcome?: Outcome): number {
    const all = this.outcomes.flat();
    return outcome === undefined ? all.length : all.filter((other) => other === outcome).length;
  }
}

type Event = Entry & { readonly offset: number } | { readonly gap: number };

/** What one reader heard of one `ordered` channel. */
export class ReaderLog {
  readonly events: Event[] = [];
  readonly #seen = new Set<string>();
  duplicates = 0;
  gaps = 0;

  publication({ data, offset }: ReceivedPublication<Entry>): void {
    const name = `${data.writer}:${data.number}`;
    if (this.#seen.has(name)) this.duplicates++;
    this.#seen.add(name);
    this.events.push({ ...data, offset });
  }

  gap(offset: number): void {
    this.gaps++;
    this.events.push({ gap: offset });
  }

  has(writer: number, number: number): boolean {
    return this.#seen.has(`${writer}:${number}`);
  }

  get received(): number {
    return this.events.length - this.gaps;
  }

  /**
   * Compares with what was kept.
   *
   * - Offsets rise, but where a gap says that they begin elsewhere; and so do the kept numbers of
   *   each writer. A refused one may have been kept all the same, at any place.
   * - What was kept and did not come is said as a gap, between its writer's neighbours.
   */
  audit(sent: SentLog): { reordered: number; saidAsGap: number; silent: number } {
    let [reordered, saidAsGap, silent] = [0, 0, 0];
    let offset = 0;
    const gaps: number[] = [];
    const places = new Map<string, number>();
    for (const [at, event] of this.events.entries()) {
      if ("gap" in event) {
        gaps.push(at);
        offset = event.gap;
      } else {
        if (event.offset <= offset) reordered++;
        offset = event.offset;
        places.set(`${event.writer}:${event.number}`, at);
      }
    }
    for (const [writer, outcomes] of sent.outcomes.entries()) {
      let before = -1;
      let missing = 0;
      const close = (after: number) => {
        if (gaps.some((gap) => gap > before && gap < after)) saidAsGap += missing;
        else silent += missing;
        missing = 0;
      };
      for (const [number, outcome] of (outcomes ?? []).entries()) {
        if (outcome !== "kept") continue;
        const place = places.get(`${writer}:${number}`);
        if (place === undefined) {
          missing++;
          continue;
        }
        if (place < before) reordered++;
        close(place);
        before = place;
      }
      close(this.events.length);
    }
    return { reordered, saidAsGap, silent };
  }
}

/** What one reader heard of one `latest` channel, in which each writer has a key. */
export class ValuesLog {
  readonly #newest = new Map<number, number>();
  /** Values older than one before them. */
  backwards = 0;
  gaps = 0;

  publication({ data: { writer, number } }: ReceivedPublication<Entry>): void {
    if (number < (this.#newest.get(writer) ?? -1)) this.backwards++;
    this.#newest.set(writer, number);
  }

  /** All values are to be forgotten. */
  gap(): void {
    this.gaps++;
    this.#newest.clear();
  }

  /** Whether the value, or one that replaced it, has come. */
  has(writer: number, number: number): boolean {
    return (this.#newest.get(writer) ?? -1) >= number;
  }
}
