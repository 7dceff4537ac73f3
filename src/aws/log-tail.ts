/** The end of what a call has printed, for callers who ask for it with its answer. */
import type { CallSink, InstanceOutput } from '../worker/call-record.ts';
import type { CallRun } from '../worker/outcome.ts';

/** Of a call's log, in bytes: as much as AWS sends. */
const TAIL_BYTES = 4_096;

export class LogTails implements CallSink {
  /** Of the calls that are asked about, by their ids. */
  readonly #tails = new Map<string, LogTail>();

  /** What a call is going to print, until `end`. Undefined if one of that id runs already. */
  begin(requestId: string): LogTail | undefined {
    if (this.#tails.has(requestId)) return undefined;
    const tail = new LogTail(requestId);
    this.#tails.set(requestId, tail);
    return tail;
  }

  end({ requestId }: LogTail): void {
    this.#tails.delete(requestId);
  }

  onOutput({ requestId, bytes }: InstanceOutput): void {
    if (requestId !== undefined && this.#tails.size > 0) this.#tails.get(requestId)?.add(bytes);
  }

  /** Whoever asks has the outcome himself. */
  onCall(): void {}
}

export class LogTail {
  readonly requestId: string;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(requestId: string) {
    this.requestId = requestId;
  }

  add(bytes: Buffer): void {
    this.#pieces.push(bytes.subarray(-TAIL_BYTES));
    this.#bytes += this.#pieces.at(-1)?.length ?? 0;
    if (this.#bytes <= 2 * TAIL_BYTES) return;
    this.#pieces = [Buffer.concat(this.#pieces).subarray(-TAIL_BYTES)];
    this.#bytes = TAIL_BYTES;
  }

  /** With the lines around it that AWS writes, in base64. `run` is undefined if no instance has seen the event. */
  text(version: string, run: CallRun | undefined): string {
    const printed = Buffer.concat(this.#pieces);
    const last = printed.length > 0 && printed.at(-1) !== EOL ? '\n' : '';
    const start = `START RequestId: ${this.requestId} Version: ${version}\n`;
    const end = `${last}END RequestId: ${this.requestId}\n${run === undefined ? '' : reportLine(this.requestId, run)}`;
    return Buffer.concat([Buffer.from(start), printed, Buffer.from(end)])
      .subarray(-TAIL_BYTES)
      .toString('base64');
  }
}

const EOL = 0x0a;

function reportLine(requestId: string, { runMs, initMs, memoryMb, memoryBytes }: CallRun): string {
  const fields = [
    `REPORT RequestId: ${requestId}`,
    `Duration: ${runMs.toFixed(2)} ms`,
    `Billed Duration: ${Math.ceil(runMs)} ms`,
    `Memory Size: ${memoryMb} MB`,
    `Max Memory Used: ${Math.ceil((memoryBytes ?? 0) / 1_048_576)} MB`,
    ...(initMs ? [`Init Duration: ${initMs.toFixed(2)} ms`] : []),
  ];
  return `${fields.join('\t')}\t\n`;
}
