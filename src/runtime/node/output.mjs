/**
 * What a handler prints: two streams that never fail for being full, and a measure of what a call printed.
 *
 * The streams are files that only grow. Where they ended when a call began and when it was answered tells the worker
 * which bytes are the call's, whoever wrote them: this process, a program that it started, a library.
 */
import { fstatSync, writeSync } from 'node:fs';
import { Writable } from 'node:stream';

// Bound now: a handler may replace it.
const { from: toBytes } = Buffer;
const NOTHING = [0, 0];

/** stdout or stderr. What does not fit any more is dropped: a full log must not fail the handler's prints. */
class Output extends Writable {
  constructor(fd) {
    super({ decodeStrings: true, emitClose: false, autoDestroy: false });
    this.fd = fd;
  }

  _write(chunk, _encoding, done) {
    writeAll(this.fd, chunk);
    done();
  }

  /** As Node's own, they outlive whoever ends them. */
  _destroy(_error, done) {
    done();
  }
}

export function openStreams() {
  for (const [name, fd] of [
    ['stdout', 1],
    ['stderr', 2],
  ]) {
    Object.defineProperty(process, name, {
      value: new Output(fd),
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }
}

/** Past process.stderr, which the handler may have replaced. */
export function writeError(text) {
  writeAll(2, toBytes(text));
}

function writeAll(fd, bytes) {
  try {
    for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
  } catch {
    // It is full, or the handler has closed it: whoever waits for an answer gets it all the same.
  }
}

/** Where the streams end at the begin and the end of calls. What loading the code printed is the first call's. */
export class Meter {
  #told = NOTHING;
  #begun = NOTHING;
  #hasTold = false;

  /** Where the streams end, if somebody has printed since the last answer. */
  begin() {
    if (!this.#hasTold) return undefined;
    this.#begun = this.#ends();
    return same(this.#begun, this.#told) || same(this.#begun, NOTHING) ? undefined : this.#begun;
  }

  /** A member of the answer's meta: both ends at the call's begin, both now. Empty if nothing was printed. */
  printed() {
    const ends = this.#ends();
    this.#hasTold = true;
    if (same(ends, this.#begun) && same(ends, this.#told)) return '';
    const begun = this.#begun;
    this.#begun = this.#told = ends;
    return `,"printed":[${begun},${ends}]`;
  }

  #ends() {
    try {
      return [fstatSync(1).size, fstatSync(2).size];
    } catch {
      return this.#told; // the handler has closed them, or put something else in their place
    }
  }
}

function same(one, other) {
  return one[0] === other[0] && one[1] === other[1];
}
