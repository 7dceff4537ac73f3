/** What `admin dev --json` prints: what DevConsole shows, a line of JSON each, with the fields of `admin logs --json`. */
import { plainJson } from '../lib/plain-text.ts';
import type { Output } from './caller.ts';

interface OfInstance {
  lambda: string;
  version: string;
  instance: number;
}

interface PrintedOutput extends OfInstance {
  requestId: string | undefined;
  stream: 'stdout' | 'stderr';
  bytes: Buffer;
  cut: boolean;
}

interface PrintedCall {
  lambda: string;
  requestId: string;
  startedMs: number;
  durationMs: number;
  outcome: string;
  errorType: string | undefined;
  run: object | undefined;
}

interface PrintedLoad {
  lambda: string;
  errorType: string | undefined;
  message: string | undefined;
}

export class DevJson {
  readonly #stdout: Output;

  constructor(stdout: Output) {
    this.#stdout = stdout;
  }

  onServing(facts: { url: string; cluster: string; code: string; lambdas: readonly string[] }): void {
    this.#print('serving', facts);
  }

  onStart({ lambda, requestId, version, instance }: OfInstance & { requestId: string }): void {
    this.#print('start', { lambda, requestId, version, instance });
  }

  onOutput({ lambda, requestId, version, instance, stream, bytes, cut }: PrintedOutput): void {
    const text = bytes.toString('utf8');
    this.#print('output', { lambda, requestId, version, instance, stream, text, cut: cut || undefined });
  }

  onCall({ lambda, requestId, startedMs, durationMs, outcome, errorType, run }: PrintedCall): void {
    const startTime = new Date(startedMs).toISOString();
    this.#print('call', { lambda, requestId, outcome, errorType, startTime, durationMs, ...run });
  }

  /** Code was loaded; `errorType` says why it can not be. */
  onLoad({ lambda, errorType, message }: PrintedLoad): void {
    this.#print('load', { lambda, errorType, message });
  }

  #print(type: string, facts: object): void {
    this.#stdout.write(`${plainJson({ time: new Date().toISOString(), type, ...facts })}\n`);
  }
}
