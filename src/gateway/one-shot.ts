/**
 * `POST /execute`: a program with its input and arguments in, what it printed and how it ended out. It has a session of
 * its own, which nobody else sees, and of which nothing is left when it is answered.
 */
import { posix } from 'node:path';
import { Failure } from '../config/failure.ts';
import { NETWORKS, type Network } from '../config/settings.ts';
import { deferred } from '../lib/deferred.ts';
import { shellQuote } from '../lib/shell-quote.ts';
import { uuidV7 } from '../lib/uuid-v7.ts';
import type { ExecuteResult, SessionFacts, SessionHost } from '../session/host.ts';
import { json } from './answers.ts';
import type { ApiCall } from './api-call.ts';
import { readByteSize } from './byte-size.ts';
import { readEnviron } from './create-params.ts';
import { languageOf } from './images.ts';
import type { KeyRing } from './key-ring.ts';
import { ONE_SHOT_EXTRA_MS, ONE_SHOT_MS, ONE_SHOT_MS_MAX, UPLOAD_FILES_MAX } from './limits.ts';
import type { ManagerStatus } from './manager-status.ts';
import { ONE_SHOT_LANGUAGES, type OneShotLanguage } from './one-shot-languages.ts';
import { invalidParams, type Params, SAYABLE } from './params.ts';
import type { Route } from './route.ts';
import { creationFailed } from './session-info.ts';
import { specOf } from './session-spec.ts';
import type { Sessions } from './sessions.ts';

export interface OneShotOptions {
  keys: KeyRing;
  sessions: Sessions;
  status: ManagerStatus;
}

/** Where the input lies: no name of a program's own file. */
const STDIN_FILE = '.isla-stdin';

export function oneShotRoutes(options: OneShotOptions): Route[] {
  return [
    {
      method: 'POST',
      path: '/execute',
      majors: [],
      need: 'key',
      takes: '`{"language", "code"?, "files"?, "stdin"?, "args"?, "env"?, "limits"?, "network"?, "requirements"?}`',
      answers:
        '200 `{"status", "stdout", "stderr", "exitCode", "build", "ended", "durationMs", "cpuMs", "memoryBytes", "language"}`',
      errors: [
        'image-not-found',
        'quota-exceeded',
        'server-frozen',
        'instance-not-available',
        'kernel-creation-failed',
      ],
      run: (call) => execute(call, options),
    },
  ];
}

async function execute(call: ApiCall, options: OneShotOptions): Promise<Response> {
  const order = readOrder(await call.params());
  options.status.refuseFrozen();
  const { host } = options.sessions;
  const language = languageOf(order.language, await host.languages());
  const known = ONE_SHOT_LANGUAGES[language];
  if (known === undefined) throw invalidParams(`language: ${language} has no programs, only cells`);
  const { keys, sessions } = options;
  const leave = sessions.enterOneShot(call.pair);
  try {
    return json(await run(host, order, { call, known, spec: { language, policy: keys.policyOf(call.pair) } }));
  } finally {
    leave();
  }
}

interface Order {
  language: string;
  files: readonly { name: string; bytes: Buffer }[];
  code: string | undefined;
  stdin: string | undefined;
  args: readonly string[];
  environ: Readonly<Record<string, string>>;
  timeoutMs: number;
  cpu: number | undefined;
  memoryBytes: number | undefined;
  network: Network | undefined;
  requirements: string | undefined;
}

/** Throws ApiProblem `invalid-api-params` with all that is wrong. */
function readOrder(params: Params): Order {
  const language = params.requiredText('language|lang|image', { charsMax: 256 });
  const code = params.text('code', { charsMax: Number.POSITIVE_INFINITY });
  const files = readFiles(params);
  if (code === undefined && files.length === 0) params.problem('code', 'is required, or files');
  const limits = params.below('limits');
  const memory = limits.value('memory');
  const memoryBytes = memory === undefined ? undefined : readByteSize(memory);
  if (memory !== undefined && memoryBytes === undefined) limits.problem('memory', 'is not a size such as "256m"');
  const memoryMb = limits.number('memoryMb', { min: 1, max: 1_048_576 });
  const order = {
    language,
    code,
    files,
    stdin: params.text('stdin', { charsMax: Number.POSITIVE_INFINITY }),
    args: readArgs(params),
    environ: readEnviron(params, 'env|environ'),
    timeoutMs: limits.number('timeoutMs', { min: 1, max: ONE_SHOT_MS_MAX }) ?? ONE_SHOT_MS,
    cpu: limits.number('cpu', { min: 0.01, max: 1_024, whole: false }),
    memoryBytes: memoryBytes ?? (memoryMb === undefined ? undefined : memoryMb * 1_048_576),
    network: params.choice('network', NETWORKS),
    requirements: params.text('requirements'),
  };
  limits.refuseUnknown();
  params.refuseUnknown();
  params.check();
  return order;
}

function readArgs(params: Params): string[] {
  const args = params.texts('args', 1_000) ?? [];
  if (!args.every((arg) => SAYABLE.test(arg))) params.problem('args', 'one has a zero byte, or half a character');
  return args;
}

function readFiles(params: Params): Order['files'] {
  const value = params.value('files');
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > UPLOAD_FILES_MAX) {
    params.problem('files', `is no list of at most ${UPLOAD_FILES_MAX} files`);
    return [];
  }
  return value.flatMap((file: unknown, index) => {
    const { name, content, encoding = 'utf8' } = (file ?? {}) as Record<string, unknown>;
    if (typeof name === 'string' && name !== '' && typeof content === 'string' && isEncoding(encoding)) {
      return [{ name, bytes: Buffer.from(content, encoding) }];
    }
    params.problem('files', `${index} is not {"name": text, "content": text, "encoding"?: "utf8" or "base64"}`);
    return [];
  });
}

function isEncoding(value: unknown): value is 'utf8' | 'base64' {
  return value === 'utf8' || value === 'base64';
}

interface Making {
  call: ApiCall;
  known: OneShotLanguage;
  spec: { language: string; policy: Parameters<typeof specOf>[1]['policy'] };
}

async function run(host: SessionHost, order: Order, { call, known, spec }: Making): Promise<object> {
  const id = uuidV7();
  // Should this gateway go away meanwhile, it ends by itself.
  const nothing = { idleTimeoutMs: 0, lifetimeMs: order.timeoutMs + ONE_SHOT_EXTRA_MS, startupCommand: undefined };
  const whole = { ...specOf({ ...order, ...nothing }, { id, ...spec }), runTimeoutMs: order.timeoutMs };
  try {
    await host.create(whole);
  } catch (error) {
    throw error instanceof Failure ? creationFailed(error) : error;
  }
  const startedMs = performance.now();
  try {
    await upload(host, id, { order, file: known.file });
    const said = await watched(host, id, { order, known, gone: call.gone });
    const durationMs = Math.round((performance.now() - startedMs) * 1_000) / 1_000;
    const facts = await endOf(host, id);
    if (said.status === 'finished' && said.exitCode !== 0 && facts?.oomKilled) said.status = 'out-of-memory';
    return { ...said, durationMs, language: spec.language, ...usage(facts) };
  } finally {
    // It may have ended by itself.
    await host.destroy(id, 'task-finished').catch(() => {});
  }
}

async function upload(host: SessionHost, id: string, { order, file }: { order: Order; file: string }): Promise<void> {
  const { files, code, stdin } = order;
  const all = [
    ...files,
    ...(code === undefined ? [] : [{ name: file, bytes: Buffer.from(code) }]),
    ...(stdin === undefined ? [] : [{ name: STDIN_FILE, bytes: Buffer.from(stdin) }]),
  ];
  await Promise.all(all.map(({ name, bytes }) => host.upload(id, posix.normalize(name), bytes)));
}

interface Said {
  stdout: string;
  stderr: string;
  exitCode: number | null;
  /** Of what turned the source into a program; null if nothing had to. */
  build: { exitCode: number; stdout: string; stderr: string } | null;
  status: 'finished' | 'timed-out' | 'build-failed' | 'out-of-memory';
}

/** Resolves when it has ended. Whoever goes away meanwhile ends it. */
async function watched(
  host: SessionHost,
  id: string,
  { order, known, gone }: { order: Order; known: OneShotLanguage; gone: AbortSignal },
): Promise<Said> {
  const pieces = { stdout: '', stderr: '' };
  const said: Said = { stdout: '', stderr: '', exitCode: null, build: null, status: 'finished' };
  const options = { clean: '', build: known.builds ? '*' : '', exec: execOf(order, known) };
  const left = deferred<never>();
  left.promise.catch(() => {}); // Nobody may wait for it any more.
  const stream = await host.stream(id, { mode: 'batch', code: '', options }, (frame: ExecuteResult) => {
    for (const [type, text] of frame.console) if (type === 'stdout' || type === 'stderr') pieces[type] += text;
    if (frame.status === 'build-finished') {
      if (frame.exitCode !== 0 || pieces.stdout + pieces.stderr !== '') {
        said.build = { exitCode: frame.exitCode ?? 0, ...pieces };
      }
      if (frame.exitCode !== 0) said.status = 'build-failed';
      Object.assign(pieces, { stdout: '', stderr: '' });
    }
    if (frame.status === 'exec-timeout') said.status = 'timed-out';
    if (frame.status === 'finished' || frame.status === 'exec-timeout') said.exitCode = frame.exitCode;
    return true;
  });
  const leave = () => left.reject(new Failure('stopping', 'The caller has gone away.'));
  gone.addEventListener('abort', leave, { once: true });
  if (gone.aborted) leave();
  try {
    await Promise.race([stream.done, left.promise]);
  } finally {
    gone.removeEventListener('abort', leave);
    stream.leave();
  }
  return { ...said, ...pieces };
}

/** Without input a program reads the end of a file at once. */
function execOf({ args, stdin }: Order, { exec }: OneShotLanguage): string {
  const words = args.map((arg) => ` ${shellQuote(arg)}`).join('');
  return `${exec}${words} < ${stdin === undefined ? '/dev/null' : STDIN_FILE}`;
}

async function endOf(host: SessionHost, id: string): Promise<SessionFacts | undefined> {
  return host.info(id).catch(() => undefined);
}

function usage(facts: SessionFacts | undefined): object {
  const { memoryPeakBytes = null, cpuMs = null, ending = null } = facts ?? {};
  return { memoryBytes: memoryPeakBytes, cpuMs, ended: ending?.reason ?? null };
}
