/** The sessions of this machine. */
import { Failure } from '../config/failure.ts';
import { detailOf } from './endings.ts';
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
} from './host.ts';
import type { Completions, FileFact, Pty, PtySize } from './kernel.ts';
import { completionRequest, parseRunId, runRequest } from './requests.ts';
import type { Run } from './run.ts';
import { LocalRunStream } from './run-stream.ts';
import { SessionTable, type SessionTableOptions } from './session-table.ts';

export class LocalHost implements SessionHost {
  readonly #table: SessionTable;
  readonly #options: SessionTableOptions;

  constructor(options: SessionTableOptions) {
    this.#options = options;
    this.#table = new SessionTable(options);
  }

  /** Those that live, or are being made. */
  get size(): number {
    return this.#table.size;
  }

  get ids(): string[] {
    return this.#table.ids;
  }

  async create(spec: SessionSpec): Promise<SessionFacts> {
    const session = await this.#table.admit(spec.id, () => this.#table.start(spec));
    return session.factsNow();
  }

  async destroy(id: string, reason: EndReason): Promise<SessionFacts> {
    const session = await this.#table.settled(id);
    return session.end({ reason, detail: detailOf(reason) });
  }

  async restart(id: string): Promise<void> {
    await this.#table.live(id).restart();
    this.#table.tell({ kind: 'restarted', session: id });
  }

  async interrupt(id: string): Promise<void> {
    this.#table.used(id).kernel.interrupt();
  }

  async info(id: string): Promise<SessionFacts> {
    return this.#table.known(id).facts();
  }

  async list(): Promise<readonly SessionFacts[]> {
    return this.#table.living().map((session) => session.factsNow());
  }

  async execute(id: string, request: ExecuteRequest, flushMs: number, signal?: AbortSignal): Promise<ExecuteResult> {
    if (request.mode === 'complete') return this.#completed(id, request);
    const run = this.#runOf(id, request);
    const after = run.startOf(request.options?.after);
    if (!run.log.isDue(after)) await run.due(after, flushMs, signal);
    signal?.throwIfAborted();
    return run.take(after);
  }

  async stream(id: string, request: StreamRequest, hear: (frame: ExecuteResult) => boolean): Promise<RunStream> {
    const run = this.#runOf(id, request);
    const session = this.#table.known(id);
    const stream = new LocalRunStream({
      run,
      after: run.startOf(request.options?.after),
      hear,
      input: (line) => {
        session.touch();
        if (session.queue.current === run) session.queue.input(run.id, line);
      },
      interrupt: () => {
        if (session.queue.current === run) session.kernel.interrupt();
      },
    });
    stream.goOn();
    return stream;
  }

  complete(id: string, request: { code: string; cursor: number }): Promise<Completions> {
    return this.#table.used(id).kernel.complete(request);
  }

  upload(id: string, path: string, bytes: Uint8Array): Promise<void> {
    return this.#table.used(id).kernel.files.write(path, bytes);
  }

  download(id: string, path: string): Promise<Uint8Array> {
    return this.#table.used(id).kernel.files.read(path);
  }

  files(id: string, path: string): Promise<readonly FileFact[]> {
    return this.#table.used(id).kernel.files.list(path);
  }

  removeFile(id: string, path: string): Promise<void> {
    return this.#table.used(id).kernel.files.remove(path);
  }

  async logs(id: string): Promise<string> {
    return this.#table.known(id).logs();
  }

  async fork(id: string, spec: ForkSpec): Promise<SessionFacts> {
    const first = this.#table.used(id);
    const session = await this.#table.admit(spec.id, () => this.#table.fork(first, spec));
    return session.factsNow();
  }

  async rewind(id: string): Promise<void> {
    const { queue, kernel } = this.#table.used(id);
    if (queue.current !== undefined)
      throw new Failure('cannot-fork', `session ${id} runs something; interrupt it first`);
    await kernel.rewind();
  }

  pty(id: string, size: PtySize): Promise<Pty> {
    return this.#table.used(id).pty(size);
  }

  languages(): Promise<readonly LanguageFacts[]> {
    return this.#options.languages.list();
  }

  onEvent(hear: (event: HostEvent) => void): () => void {
    return this.#table.onEvent(hear);
  }

  /** Ends all sessions; none is made any more. Idempotent. */
  async close(): Promise<void> {
    this.#table.close();
    await Promise.allSettled(this.ids.map((id) => this.destroy(id, 'agent-termination')));
  }

  // -- executions -------------------------------------------------------------------------------------

  #runOf(id: string, request: ExecuteRequest): Run {
    const runId = parseRunId(request);
    // What a session has said can be asked for after its end.
    if (request.mode === 'continue') {
      const session = this.#table.known(id);
      session.touch();
      return session.queue.get(runId as string);
    }
    const { queue } = this.#table.used(id);
    return request.mode === 'input'
      ? queue.input(runId as string, request.options?.end ? undefined : request.code)
      : queue.submit(runId, runRequest(request));
  }

  async #completed(id: string, request: ExecuteRequest): Promise<ExecuteResult> {
    const { completions, start, end } = await this.complete(id, completionRequest(request));
    const nothing = { exitCode: null, options: null, files: [], console: [], next: 0 };
    return { status: 'finished', runId: request.runId ?? '', ...nothing, completions, completed: { start, end } };
  }
}
