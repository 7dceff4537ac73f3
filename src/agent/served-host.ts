/** The sessions of this machine, as its gateway calls them over the link. */
import { Failure } from '../config/failure.ts';
import type {
  EndReason,
  ExecuteRequest,
  ForkSpec,
  SessionFacts,
  SessionHost,
  SessionSpec,
  StreamRequest,
} from '../session/host.ts';
import type { PtySize } from '../session/kernel.ts';
import type { Answer, ServedStream } from '../session/link/served-calls.ts';

/** What goes along with a call besides its arguments. */
interface About {
  bytes: Buffer | undefined;
  signal: AbortSignal;
}

type Method = (host: SessionHost, args: readonly unknown[], about: About) => Promise<unknown>;

/** Both ends are of one release and the link has its token, so arguments are what the gateway's types say. */
const METHODS: Readonly<Record<string, Method>> = {
  create: (host, [spec], { signal }) => made(host, host.create(spec as SessionSpec), signal),
  destroy: (host, [id, reason]) => host.destroy(id as string, reason as EndReason),
  restart: (host, [id]) => host.restart(id as string),
  interrupt: (host, [id]) => host.interrupt(id as string),
  info: (host, [id]) => host.info(id as string),
  list: (host) => host.list(),
  execute: (host, [id, request, flushMs], { signal }) =>
    host.execute(id as string, request as ExecuteRequest, flushMs as number, signal),
  complete: (host, [id, request]) => host.complete(id as string, request as { code: string; cursor: number }),
  upload: (host, [id, path], { bytes }) => host.upload(id as string, path as string, bytes ?? Buffer.alloc(0)),
  files: (host, [id, path]) => host.files(id as string, path as string),
  removeFile: (host, [id, path]) => host.removeFile(id as string, path as string),
  logs: (host, [id]) => host.logs(id as string),
  fork: (host, [id, spec], { signal }) => made(host, host.fork(id as string, spec as ForkSpec), signal),
  rewind: (host, [id]) => host.rewind(id as string),
  languages: (host) => host.languages(),
};

/** A session of which nobody hears any more is ended: its gateway has given it up, and did not find it when it came back. */
async function made(host: SessionHost, making: Promise<SessionFacts>, signal: AbortSignal): Promise<SessionFacts> {
  const facts = await making;
  return signal.aborted ? host.destroy(facts.id, 'agent-lost') : facts;
}

export async function callHost(
  host: SessionHost,
  method: string,
  args: readonly unknown[],
  about: About,
): Promise<Answer> {
  if (method === 'download') {
    return { value: null, bytes: await host.download(args[0] as string, args[1] as string) };
  }
  const called = Object.hasOwn(METHODS, method) ? METHODS[method] : undefined;
  if (called === undefined) throw unknownMethod(method);
  return { value: await called(host, args, about) };
}

export function openHost(
  host: SessionHost,
  method: string,
  args: readonly unknown[],
  stream: ServedStream,
): Promise<unknown> {
  if (method === 'stream') return watchRun(host, args[0] as string, args[1] as StreamRequest, stream);
  if (method === 'pty') return openTerminal(host, args[0] as string, args[1] as PtySize, stream);
  throw unknownMethod(method);
}

function unknownMethod(method: string): Failure {
  return new Failure(
    'worker-failed',
    `this agent does not know "${method}": it is of another release than its gateway`,
  );
}

async function watchRun(host: SessionHost, id: string, request: StreamRequest, link: ServedStream): Promise<void> {
  const run = await host.stream(id, request, (frame) => link.send(frame));
  link.opened();
  link.onMore(() => run.goOn());
  link.onTell((value) => {
    if (typeof value === 'string') run.input(value);
    else run.interrupt();
  });
  link.signal.addEventListener('abort', () => run.leave());
  if (link.signal.aborted) run.leave();
  await run.done;
}

async function openTerminal(host: SessionHost, id: string, size: PtySize, link: ServedStream): Promise<number> {
  const pty = await host.pty(id, size);
  link.opened();
  pty.onData((bytes) => {
    if (!link.send(null, bytes)) pty.pause();
  });
  link.onMore(() => pty.resume());
  link.onTell((value, bytes) => {
    if (bytes !== undefined) pty.write(bytes);
    else pty.resize(value as PtySize);
  });
  link.signal.addEventListener('abort', () => pty.close());
  if (link.signal.aborted) pty.close();
  return pty.ended;
}
