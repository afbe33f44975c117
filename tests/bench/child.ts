import { createInterface } from "node:readline";
import { spawn } from "node:child_process";

/** Ticks a second of /proc/<pid>/stat (`getconf CLK_TCK`): the kernel's ABI, the same everywhere. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;

/** A process that answers each command, a JSON object a line, with one of its own. */
export class Child {
  readonly #process: ReturnType<typeof spawn>;
  readonly #answers: ((answer: string | undefined) => void)[] = [];
  readonly #early: string[] = [];
  readonly #exited: Promise<void>;
  #gone = false;

  constructor(command: readonly string[]) {
    this.#process = spawn(command[0]!, command.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
    this.#exited = new Promise((resolve) => {
      this.#process.once("close", () => {
        this.#gone = true;
        for (const answer of this.#answers.splice(0)) answer(undefined);
        resolve();
      });
      this.#process.once("error", () => resolve());
    });
    createInterface({ input: this.#process.stdout! }).on("line", (line) => {
      const answer = this.#answers.shift();
      if (answer) answer(line);
      else this.#early.push(line);
    });
  }

  /** The next line of the process: its greeting, or the answer to `command`. */
  async ask<Answer>(command?: unknown): Promise<Answer> {
    if (command !== undefined) this.#process.stdin!.write(JSON.stringify(command) + "\n");
    const line = this.#early.shift() ??
      (this.#gone ? undefined : await new Promise<string | undefined>((resolve) => {
        this.#answers.push(resolve);
      }));
    if (line === undefined) {
      throw new Error(
        `${this.#process.spawnargs.join(" ")} ended: asked ${JSON.stringify(command)}`,
      );
    }
    return JSON.parse(line);
  }

  /** CPU time of all its threads since it began, user and system, in microseconds. */
  cpuMicros(): number {
    const stat = Deno.readTextFileSync(`/proc/${this.#process.pid}/stat`);
    // utime and stime: fields 14 and 15, counted behind the name, which may hold blanks.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * (1e6 / TICKS_PER_SECOND);
  }

  /** Resident memory in bytes. */
  residentBytes(): number {
    return Number(Deno.readTextFileSync(`/proc/${this.#process.pid}/statm`).split(" ")[1]) *
      PAGE_BYTES;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  async end(): Promise<void> {
    this.#process.stdin!.end();
    this.#process.kill("SIGTERM");
    await this.#exited;
  }
}
