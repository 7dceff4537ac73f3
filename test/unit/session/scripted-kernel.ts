/** A kernel that says what its code asks for, word by word: real ones need a sandbox, and are in test/sandbox. */
import { deferred } from '../../../src/lib/deferred.ts';
import type { Kernel, KernelEnding, KernelEvent, KernelSpec, Pty, RunRequest } from '../../../src/session/kernel.ts';

/**
 * Code is lines: `say X`, `err X`, `media X`, `ask` (waits for input and says it), `wait` (until `interrupt`),
 * `crash`, `raise X`. A batch tells its stages and then runs its `exec`.
 */
export class ScriptedKernel implements Kernel {
  readonly spec: KernelSpec;
  readonly #ended = deferred<KernelEnding>();
  #hear: ((event: KernelEvent) => void) | undefined;
  #goOn: ((word: string) => void) | undefined;
  restarts = 0;

  constructor(spec: KernelSpec) {
    this.spec = spec;
  }

  get ended(): Promise<KernelEnding> {
    return this.#ended.promise;
  }

  run(request: RunRequest, hear: (event: KernelEvent) => void): void {
    if (this.#hear !== undefined) throw new Error('one at a time');
    this.#hear = hear;
    void this.#perform(request);
  }

  async #perform(request: RunRequest): Promise<void> {
    const hear = this.#hear;
    const say = (event: KernelEvent) => {
      if (this.#hear === hear) hear?.(event);
    };
    await new Promise((resolve) => setImmediate(resolve));
    if (request.mode === 'batch') {
      say({ kind: 'stage', stage: 'clean-finished', exitCode: 0 });
      say({ kind: 'stage', stage: 'build-finished', exitCode: 0 });
    }
    for (const line of (request.mode === 'query' ? request.code : request.exec).split('\n')) {
      const [verb, ...rest] = line.split(' ');
      const word = rest.join(' ');
      if (verb === 'say') say({ kind: 'output', items: [['stdout', word]], cut: false });
      if (verb === 'err') say({ kind: 'output', items: [['stderr', word]], cut: false });
      if (verb === 'much') say({ kind: 'output', items: [['stdout', 'x'.repeat(Number(word))]], cut: false });
      if (verb === 'media') say({ kind: 'output', items: [['media', ['text/html', word]]], cut: false });
      if (verb === 'ask') {
        say({ kind: 'waiting-input', isPassword: word === 'password' });
        say({ kind: 'output', items: [['stdout', await this.#wait()]], cut: false });
      }
      if (verb === 'wait') await this.#wait();
      if (verb === 'crash') {
        this.#ended.resolve({ cause: 'signal', reason: 'the kernel was ended by SIGSEGV' });
        return;
      }
      if (verb === 'raise') {
        this.#hear = undefined;
        hear?.({ kind: 'finished', exitCode: 0, error: { name: word, message: 'it did', traceback: [] } });
        return;
      }
    }
    if (this.#hear !== hear) return;
    this.#hear = undefined;
    hear?.({ kind: 'finished', exitCode: 0 });
  }

  #wait(): Promise<string> {
    return new Promise((resolve) => {
      this.#goOn = resolve;
    });
  }

  input(line: string): void {
    this.#goOn?.(line);
  }

  interrupt(): void {
    this.#goOn?.('KeyboardInterrupt');
  }

  async complete({ code, cursor }: { code: string; cursor: number }) {
    return { completions: [`${code.slice(0, cursor)}!`], start: 0, end: cursor };
  }

  async restart(): Promise<void> {
    this.restarts += 1;
    this.#hear = undefined;
  }

  async fork(session: string): Promise<Kernel> {
    return new ScriptedKernel({ ...this.spec, session });
  }

  async checkpoint(): Promise<void> {}
  async rewind(): Promise<void> {}

  readonly #files = new Map<string, Uint8Array>();
  readonly files = {
    write: async (path: string, bytes: Uint8Array) => void this.#files.set(path, Buffer.from(bytes)),
    read: async (path: string) => Buffer.from(this.#files.get(path) ?? []),
    list: async () =>
      [...this.#files].map(([filename, { length: size }]) => {
        return { filename, mode: '-rw-r--r--', size, mtime: 0, ctime: 0, atime: 0 };
      }),
    remove: async (path: string) => void this.#files.delete(path),
  };

  async pty(): Promise<Pty> {
    const ended = deferred<number>();
    let hear: (bytes: Buffer) => void = () => {};
    return {
      write: (bytes) => hear(Buffer.from(bytes)),
      resize: ({ rows, columns }) => hear(Buffer.from(`${rows}x${columns}`)),
      pause: () => {},
      resume: () => {},
      onData: (listener) => {
        hear = listener;
      },
      close: () => ended.resolve(129),
      ended: ended.promise,
    };
  }

  async usage() {
    return { memoryBytes: 1_000_000, peakBytes: 2_000_000, cpuMs: 5, oomKilled: false };
  }

  async destroy(): Promise<void> {
    this.#ended.resolve({ cause: 'destroyed', reason: 'the kernel was ended because somebody asked for it' });
  }
}
