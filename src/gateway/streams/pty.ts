/** `/stream/kernel/:token/pty`: a login shell in the session, as messages of base64. */
import { isPlain } from '../../config/parse.ts';
import type { SessionHost } from '../../session/host.ts';
import type { Pty, PtySize } from '../../session/kernel.ts';
import { apiProblemOf } from '../api-problem.ts';
import { invalidParams, Params } from '../params.ts';
import type { ClientSocket } from './socket.ts';

const FIRST_SIZE: PtySize = { rows: 24, columns: 80 };
/** Rows and columns, each. */
const SIZE_MAX = 10_000;

export function streamPty(socket: ClientSocket, { id, host }: { id: string; host: SessionHost }): void {
  let size = FIRST_SIZE;
  let shell: Pty | undefined;
  let closed = false;
  /** Shells that were asked for. */
  let asked = 0;
  /** What came before there was a shell: no more than had been read by then. */
  let early: Buffer[] = [];

  const open = async (): Promise<void> => {
    const first = size;
    asked += 1;
    const number = asked;
    socket.pause();
    const opened = await host.pty(id, first).finally(() => socket.resume());
    // There is nobody any more, or another one was asked for meanwhile.
    if (closed || number !== asked) return opened.close();
    shell = opened;
    if (size !== first) opened.resize(size);
    for (const typed of early) opened.write(typed);
    early = [];
    opened.onData((bytes) => {
      if (!socket.send({ type: 'out', data: Buffer.from(bytes).toString('base64') })) opened.pause();
    });
    const exitCode = await opened.ended;
    // Another one has taken its place, or there is nobody any more.
    if (shell !== opened || closed) return;
    if (exitCode < 0) end(1011, 'the shell is lost');
    else end(1000, 'the shell has ended');
  };
  /** What comes until the client has closed its side is nobody's. */
  const end = (code: number, reason: string): void => {
    closed = true;
    socket.close(code, reason);
  };
  const fail = (error: unknown): void => {
    const { slug, title, facts } = apiProblemOf(error);
    socket.send({ type: 'error', reason: slug, data: facts.detail ?? title });
  };
  const openOrClose = () =>
    open().catch((error) => {
      fail(error);
      end(1011, 'no shell');
    });
  const hear = (text: string): void => {
    const message = readMessage(text);
    switch (message.type) {
      case 'stdin':
        if (shell === undefined) early.push(message.bytes);
        else shell.write(message.bytes);
        return;
      case 'resize':
        size = message.size;
        shell?.resize(size);
        return;
      case 'ping':
        socket.send({ type: 'pong' });
        return;
      case 'restart': {
        const before = shell;
        shell = undefined;
        before?.close();
        void openOrClose();
        return;
      }
    }
  };
  void openOrClose();
  socket.onDrained(() => shell?.resume());
  socket.onMessage((text) => {
    if (closed) return;
    try {
      hear(text);
    } catch (error) {
      fail(error);
    }
  });
  socket.onClosed(() => {
    closed = true;
    shell?.close();
  });
}

type Message =
  | { type: 'stdin'; bytes: Buffer }
  | { type: 'resize'; size: PtySize }
  | { type: 'ping' }
  | { type: 'restart' };

/** Throws ApiProblem `invalid-api-params`. */
function readMessage(text: string): Message {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    throw invalidParams('The message is not JSON');
  }
  if (!isPlain(raw)) throw invalidParams('The message is not a JSON object');
  const params = new Params(raw);
  const type = params.choice('type', ['stdin', 'resize', 'ping', 'restart']);
  if (type === undefined) params.problem('type', 'is required');
  if (type === 'stdin') {
    const chars = params.requiredText('chars', { charsMax: Number.POSITIVE_INFINITY });
    params.check();
    return { type, bytes: Buffer.from(chars, 'base64') };
  }
  if (type === 'resize') {
    const rows = params.number('rows', { min: 1, max: SIZE_MAX }) ?? FIRST_SIZE.rows;
    const columns = params.number('cols', { min: 1, max: SIZE_MAX }) ?? FIRST_SIZE.columns;
    params.check();
    return { type, size: { rows, columns } };
  }
  params.check();
  return { type: type as 'ping' | 'restart' };
}
