/** Calls that concern one session go to the host that has it; which one that is, others know. */
import type {
  EndReason,
  ExecuteRequest,
  ExecuteResult,
  RunStream,
  SessionFacts,
  SessionHost,
  StreamRequest,
} from '../../session/host.ts';
import type { Completions, FileFact, Pty, PtySize } from '../../session/kernel.ts';

type OfOne = Omit<SessionHost, 'create' | 'fork' | 'list' | 'languages' | 'onEvent'>;

export abstract class RoutedHost implements OfOne {
  /** Of a session that lives. Throws Failure `session-missing`, `unreachable`. */
  protected abstract at(id: string): SessionHost;
  /** As above, of one that has ended not long ago, too. */
  protected abstract was(id: string): SessionHost;

  async destroy(id: string, reason: EndReason): Promise<SessionFacts> {
    return this.at(id).destroy(id, reason);
  }

  async restart(id: string): Promise<void> {
    await this.at(id).restart(id);
  }

  async interrupt(id: string): Promise<void> {
    await this.at(id).interrupt(id);
  }

  async info(id: string): Promise<SessionFacts> {
    return this.was(id).info(id);
  }

  async execute(id: string, request: ExecuteRequest, flushMs: number, signal?: AbortSignal): Promise<ExecuteResult> {
    const host = request.mode === 'continue' ? this.was(id) : this.at(id);
    return host.execute(id, request, flushMs, signal);
  }

  async stream(id: string, request: StreamRequest, hear: (frame: ExecuteResult) => boolean): Promise<RunStream> {
    const host = request.mode === 'continue' ? this.was(id) : this.at(id);
    return host.stream(id, request, hear);
  }

  async complete(id: string, request: { code: string; cursor: number }): Promise<Completions> {
    return this.at(id).complete(id, request);
  }

  async upload(id: string, path: string, bytes: Uint8Array): Promise<void> {
    await this.at(id).upload(id, path, bytes);
  }

  async download(id: string, path: string): Promise<Uint8Array> {
    return this.at(id).download(id, path);
  }

  async files(id: string, path: string): Promise<readonly FileFact[]> {
    return this.at(id).files(id, path);
  }

  async removeFile(id: string, path: string): Promise<void> {
    await this.at(id).removeFile(id, path);
  }

  async logs(id: string): Promise<string> {
    return this.was(id).logs(id);
  }

  async rewind(id: string): Promise<void> {
    await this.at(id).rewind(id);
  }

  async pty(id: string, size: PtySize): Promise<Pty> {
    return this.at(id).pty(id, size);
  }
}
