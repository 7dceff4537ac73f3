/** A session on a gateway: a sandbox that keeps its interpreter's state between runs. */
import { randomBytes } from 'node:crypto';
import { type AccessOptions, accessOf } from './access.ts';
import { Connection } from './connection.ts';
import { randomName, requestSession, type SessionOptions } from './creation.ts';
import { SessionFiles } from './files.ts';
import { KeptStream } from './kept-stream.ts';
import { ProblemError } from './problem.ts';
import { Pty, type PtyListeners, type PtySize } from './pty.ts';
import type { RunResult } from './result.ts';
import { type Listeners, Run, type RunOrder } from './run.ts';

export interface RunSettings extends Listeners {
  /** Chosen at random if it is not given; with it an execution can be watched again. */
  runId?: string | undefined;
  /** Leaves: the execution goes on. */
  signal?: AbortSignal | undefined;
}

/** Shell commands of a batch: '' to skip a stage, '*' for what the language does by itself. */
export interface BatchOrder {
  clean?: string;
  build?: string;
  exec?: string;
}

export interface SessionInfo {
  status: string;
  language: string;
  /** The image or language that it was asked for by. */
  image: string;
  sessionId: string;
  agent: string;
  creationTime: string;
  /** In milliseconds. */
  age: number;
  numQueriesExecuted: number;
  /** What is running, and how much waits behind it. */
  runId: string | null;
  queued: number;
  /** Until it ends because nobody uses it; null if it never does, or something runs. In milliseconds. */
  idleTimeLeftMs: number | null;
  /** Until it ends in any case; null if there is no such time. In milliseconds. */
  lifetimeLeftMs: number | null;
  /** In KiB; -1 if nobody knows. */
  memoryUsed: number;
  memoryLimit: number;
  network: string;
  forkOf: string | null;
  [more: string]: unknown;
}

export interface Completions {
  completions: readonly string[];
  /** Which characters of the code they replace. */
  start: number;
  end: number;
}

export class Session {
  /** By which it can be found again with this key. */
  readonly name: string;
  /** It was made by this call, and not found. */
  readonly created: boolean;
  readonly files: SessionFiles;
  readonly #connection: Connection;
  readonly #path: string;
  readonly #stream: KeptStream;

  /** @internal Gateway and Session.create make them. */
  constructor(connection: Connection, { name, created }: { name: string; created: boolean }) {
    this.#connection = connection;
    this.name = name;
    this.created = created;
    this.#path = `/kernel/${encodeURIComponent(name)}`;
    this.files = new SessionFiles(connection, this.#path);
    this.#stream = new KeptStream(connection, `/stream${this.#path}/execute`);
  }

  /** Makes one, or finds that of `name`, at the gateway that options or environment name. As Gateway.create. */
  static async create(language: string, options: SessionOptions & AccessOptions = {}): Promise<Session> {
    const connection = new Connection(accessOf(options, process.env));
    return new Session(connection, await requestSession(connection, language, options));
  }

  /** Runs code and resolves when it has ended; executions of one session run one after the other. */
  run(code: string, settings: RunSettings = {}): Promise<RunResult> {
    return this.start(code, settings).result;
  }

  /** Runs code; what it says is told as it comes. */
  start(code: string, settings: RunSettings = {}): Run {
    return this.#start({ mode: 'query', code }, settings);
  }

  /** Builds and runs what the files are. */
  batch({ clean = '', build = '', exec = '' }: BatchOrder, settings: RunSettings = {}): Run {
    return this.#start({ mode: 'batch', code: '', options: { clean, build, exec } }, settings);
  }

  /** Watches an execution that was begun before, from its first output on as far as it is kept. */
  watch(runId: string, settings: Omit<RunSettings, 'runId'> = {}): Run {
    return this.#start({ mode: 'continue', code: '', options: { after: 0 } }, { ...settings, runId });
  }

  /** As ctrl-C: what runs is interrupted, if anything runs. */
  async interrupt(): Promise<void> {
    await this.#ask('POST', '/interrupt');
  }

  /** What may stand at the cursor, which is at the end of the code unless it is said. */
  async complete(code: string, cursor = code.length): Promise<Completions> {
    const before = code.slice(0, cursor).split('\n');
    const options = { row: before.length - 1, col: before.at(-1)?.length ?? 0 };
    const { result } = await this.#connection.json<{ result: CompleteAnswer }>({
      method: 'POST',
      path: `${this.#path}/complete`,
      json: { code, options },
    });
    return {
      completions: result.completions,
      start: result.completed?.start ?? cursor,
      end: result.completed?.end ?? cursor,
    };
  }

  /** A fresh interpreter with the same files. */
  async restart(): Promise<void> {
    await this.#ask('PATCH', '');
  }

  /** A second session that goes on from here by itself; Python, while nothing runs in it. */
  async fork(name = randomName()): Promise<Session> {
    await this.#connection.json({ method: 'POST', path: `${this.#path}/fork`, json: { clientSessionToken: name } });
    return new Session(this.#connection, { name, created: true });
  }

  /** Back to before the last execution. Files stay as they are. */
  async rewind(): Promise<void> {
    await this.#ask('POST', '/rewind');
  }

  info(): Promise<SessionInfo> {
    return this.#connection.json({ method: 'GET', path: this.#path });
  }

  /** The text of its console; of one that has ended, too, for a while. */
  async logs(): Promise<string> {
    const { result } = await this.#connection.json<{ result: { logs: string } }>({
      method: 'GET',
      path: `${this.#path}/logs`,
    });
    return result.logs;
  }

  /** A login shell beside the interpreter. */
  async pty(size: PtySize, listeners: PtyListeners): Promise<Pty> {
    const { socket } = await this.#connection.stream(`/stream${this.#path}/pty`);
    const pty = new Pty(socket, listeners);
    pty.resize(size);
    return pty;
  }

  /** Ends it; nothing is left of it. */
  async destroy(): Promise<void> {
    this.#stream.close();
    await this.#ask('DELETE', '');
  }

  /** For `await using`, where the language has that. Node 20 has the symbol. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.destroy();
  }

  #start(order: Omit<RunOrder, 'runId'>, { runId = randomBytes(8).toString('hex'), ...settings }: RunSettings): Run {
    return new Run({
      ...settings,
      stream: this.#stream,
      order: { ...order, runId },
      interrupt: () => this.interrupt(),
      endInput: () => this.#endInput(runId),
    });
  }

  /** What comes of it is told by the stream. */
  async #endInput(runId: string): Promise<void> {
    const json = { mode: 'input', code: '', runId, options: { end: true } };
    try {
      await this.#connection.ask({ method: 'POST', path: this.#path, json });
    } catch (error) {
      // It has ended by itself meanwhile, or its session has.
      if (!(error instanceof ProblemError && [404, 409].includes(error.status))) throw error;
    }
  }

  #ask(method: 'POST' | 'PATCH' | 'DELETE', path: string): Promise<unknown> {
    return this.#connection.ask({ method, path: `${this.#path}${path}` });
  }
}

interface CompleteAnswer {
  completions: readonly string[];
  completed?: { start: number; end: number };
}
