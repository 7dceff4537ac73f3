/** The sessions of another machine, over the link to its agent: each method is a call there. */
import { randomBytes } from 'node:crypto';
import { deferred } from '../../lib/deferred.ts';
import type {
  EndReason,
  ExecuteRequest,
  ExecuteResult,
  ForkSpec,
  HostEvent,
  LanguageFacts,
  RunStream,
  SessionFacts,
  SessionHost,
  SessionSpec,
  StreamRequest,
} from '../../session/host.ts';
import type { Completions, FileFact, Pty, PtySize } from '../../session/kernel.ts';
import type { Patience } from '../../session/link/patience.ts';
import type { Peer } from '../../session/link/peer.ts';
import type { Answer } from '../../session/link/served-calls.ts';

/** What an agent may take for an answer, in milliseconds. */
const ANSWER_MS_MAX = 30_000;
/** What takes longer: packages are installed, or files copied and moved. */
const LONG_MS_MAX: Readonly<Record<string, number>> = {
  create: 1_200_000,
  fork: 120_000,
  rewind: 120_000,
  upload: 120_000,
  download: 120_000,
  removeFile: 120_000,
};

export class RemoteHost implements SessionHost {
  /** Of the link that there is now. Throws Failure `unreachable` while there is none. */
  readonly #peer: () => Peer;
  readonly #whom: string;
  readonly #listeners = new Set<(event: HostEvent) => void>();

  /** `whom`: the agent, for people. */
  constructor(whom: string, peer: () => Peer) {
    this.#whom = whom;
    this.#peer = peer;
  }

  create(spec: SessionSpec): Promise<SessionFacts> {
    return this.#call('create', [spec]);
  }

  destroy(id: string, reason: EndReason): Promise<SessionFacts> {
    return this.#call('destroy', [id, reason]);
  }

  restart(id: string): Promise<void> {
    return this.#call('restart', [id]);
  }

  interrupt(id: string): Promise<void> {
    return this.#call('interrupt', [id]);
  }

  info(id: string): Promise<SessionFacts> {
    return this.#call('info', [id]);
  }

  list(): Promise<readonly SessionFacts[]> {
    return this.#call('list', []);
  }

  execute(id: string, request: ExecuteRequest, flushMs: number, signal?: AbortSignal): Promise<ExecuteResult> {
    return this.#call('execute', [id, request, flushMs], { signal, ms: flushMs + ANSWER_MS_MAX });
  }

  /** Resolves at once: what the agent refuses is told by `done`. */
  async stream(id: string, request: StreamRequest, hear: (frame: ExecuteResult) => boolean): Promise<RunStream> {
    // Chosen here, so that it is known before the agent has answered.
    const runId = request.runId ?? randomBytes(8).toString('hex');
    let paused = 0;
    const told = (frame: unknown): void => {
      if (hear(frame as ExecuteResult)) stream.taken();
      else paused += 1;
    };
    const stream = this.#peer().open('stream', [id, { ...request, runId }], told, this.#patience('stream'));
    const done = stream.done.then(() => undefined);
    done.catch(() => {}); // Whoever watches has it, too.
    return {
      runId,
      done,
      input: (line) => stream.tell(line),
      interrupt: () => stream.tell(null),
      goOn: () => {
        for (; paused > 0; paused -= 1) stream.taken();
      },
      leave: () => stream.drop(),
    };
  }

  complete(id: string, request: { code: string; cursor: number }): Promise<Completions> {
    return this.#call('complete', [id, request]);
  }

  async upload(id: string, path: string, bytes: Uint8Array): Promise<void> {
    await this.#call('upload', [id, path], { bytes });
  }

  async download(id: string, path: string): Promise<Uint8Array> {
    return (await this.#answer('download', [id, path])).bytes ?? Buffer.alloc(0);
  }

  files(id: string, path: string): Promise<readonly FileFact[]> {
    return this.#call('files', [id, path]);
  }

  removeFile(id: string, path: string): Promise<void> {
    return this.#call('removeFile', [id, path]);
  }

  logs(id: string): Promise<string> {
    return this.#call('logs', [id]);
  }

  fork(id: string, spec: ForkSpec): Promise<SessionFacts> {
    return this.#call('fork', [id, spec]);
  }

  rewind(id: string): Promise<void> {
    return this.#call('rewind', [id]);
  }

  /** One that is lost with its agent has ended, with a negative exit code. */
  async pty(id: string, size: PtySize): Promise<Pty> {
    const pty = new RemotePty(this.#peer(), [id, size], this.#patience('pty'));
    await pty.opened;
    return pty;
  }

  async languages(): Promise<readonly LanguageFacts[]> {
    return this.#call('languages', []);
  }

  onEvent(hear: (event: HostEvent) => void): () => void {
    this.#listeners.add(hear);
    return () => this.#listeners.delete(hear);
  }

  /** The agent has told of something. */
  tell(event: HostEvent): void {
    for (const hear of this.#listeners) hear(event);
  }

  async #call<T>(method: string, args: readonly unknown[], about: About = {}): Promise<T> {
    return (await this.#answer(method, args, about)).value as T;
  }

  /** An agent that beats can be one that does nothing else. */
  #answer(method: string, args: readonly unknown[], { ms, ...about }: About = {}): Promise<Answer> {
    return this.#peer().call(method, args, { ...about, patience: this.#patience(method, ms) });
  }

  #patience(method: string, ms = LONG_MS_MAX[method] ?? ANSWER_MS_MAX): Patience {
    return { ms, whom: this.#whom };
  }
}

interface About {
  bytes?: Uint8Array;
  signal?: AbortSignal | undefined;
  ms?: number;
}

class RemotePty implements Pty {
  readonly ended: Promise<number>;
  readonly #stream: ReturnType<Peer['open']>;
  readonly #ended = deferred<number>();
  #hear: ((bytes: Buffer) => void) | undefined;
  /** What came before anybody listened, or while nobody had room; the agent sends no more than a little meanwhile. */
  readonly #kept: Buffer[] = [];
  #paused = true;

  constructor(peer: Peer, args: readonly [id: string, size: PtySize], patience: Patience) {
    this.ended = this.#ended.promise;
    const told = (_value: unknown, bytes: Buffer | undefined): void => {
      if (bytes === undefined) return;
      this.#kept.push(bytes);
      this.#show();
    };
    this.#stream = peer.open('pty', args, told, patience);
    this.#stream.done.then(
      (code) => this.#ended.resolve(typeof code === 'number' ? code : HUNG_UP),
      (error: Error) => {
        this.#kept.push(Buffer.from(`\r\n${error.message}\r\n`));
        this.#show();
        this.#ended.resolve(LOST);
      },
    );
  }

  /** Rejects with why it can not be had. */
  get opened(): Promise<void> {
    return this.#stream.opened;
  }

  write(bytes: Uint8Array): void {
    this.#stream.tell(null, bytes);
  }

  resize(size: PtySize): void {
    this.#stream.tell(size);
  }

  onData(hear: (bytes: Buffer) => void): void {
    this.#hear = hear;
    this.resume();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#show();
  }

  close(): void {
    this.#stream.drop();
  }

  #show(): void {
    while (!this.#paused && this.#hear !== undefined) {
      const bytes = this.#kept.shift();
      if (bytes === undefined) return;
      this.#hear(bytes);
      this.#stream.taken();
    }
  }
}

/** As a shell's own when its terminal goes. */
const HUNG_UP = 129;
const LOST = -1;
