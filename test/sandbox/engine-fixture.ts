/** A real sock engine in a directory of its own, and lambdas given as source text. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { writeEtc } from '../../src/cluster/etc.ts';
import { findNode } from '../../src/cluster/node.ts';
import { findPython } from '../../src/cluster/python.ts';
import type { NodeHandler } from '../../src/config/handler-name.ts';
import { type NetworkSpec, NO_NETWORK } from '../../src/config/network.ts';
import type { Limits, Network } from '../../src/config/settings.ts';
import type { Loader, LoaderEnding, LoaderSpec } from '../../src/sandbox/loader.ts';
import type {
  Engine,
  Output,
  PackageSet,
  Reply,
  Sandbox,
  SandboxSpec,
  Zygote,
  ZygoteEngine,
} from '../../src/sandbox/sandbox.ts';
import { startSockEngine } from '../../src/sandbox/sock/engine.ts';

export const LIMITS = {
  timeout_ms: 10_000,
  memory_mb: 128,
  cpu_percent: 100,
  procs: 32,
  tmp_mb: 16,
  scratch_mb: 64,
  output_kb: 256,
  response_kb: 256,
  concurrency: 4,
};

/** What a lambda has that differs from the rest. */
export interface Asked {
  limits?: Partial<Limits>;
  env?: Record<string, string>;
  secrets?: string[];
  onOutput?: (output: Output) => void;
  zygote?: boolean;
  network?: NetworkSpec;
  packages?: PackageSet;
  handler?: string;
  node?: NodeHandler;
  /** What it is forked from. */
  from?: Zygote;
  /** The same, with its code. */
  loader?: Loader;
  /** Instead of the bench's own. */
  engine?: Engine;
}

/** The text of lambda_func.py, or files. */
export type Source = string | Record<string, string>;

export interface Bench<E extends Engine = ZygoteEngine> {
  engine: E;
  dir: string;
  logged: string[];
  /** Where the engine looks for secrets; there are none to begin with. */
  secretsDir: string;
  /** Makes a process that has loaded this source, to make sandboxes from that run it. `seeded` is as the engine's. */
  load(source: Source, lambda?: string, asked?: Asked, seeded?: Record<string, number>): Promise<Loader | LoaderEnding>;
  /** Makes a sandbox that runs this source as its lambda_func.py, or these files. */
  sandbox(source: Source, lambda?: string, asked?: Asked): Promise<Sandbox>;
  close(): Promise<void>;
}

export async function startBench({
  poolSize = 2,
  /** As many as wait at least, if it is not given. */
  poolMax = undefined as number | undefined,
  zygoteForksMax = 1_000,
  /** Ceilings for lambdas, and for zygotes. */
  limitsMax = {} as Partial<Limits>,
  networkAllowed = ['none'] as readonly Network[],
  /** A root file system; this machine's own if it is not given. */
  basePath = '',
  /** The Node that this runs, instead of the one that runs the test. */
  node = process.execPath,
  /** Stands in for the Python that runs the spawner. */
  hostPython = '',
  programDir = resolve(import.meta.dirname, '../../src'),
  /** Told the worker's directory while it exists, also if the engine does not start. */
  onDir = (_dir: string): void => {},
} = {}): Promise<Bench> {
  const top = mkdtempSync(join(tmpdir(), 'isla-engine-'));
  const dir = join(top, 'worker');
  for (const name of ['worker', 'etc', 'code']) mkdirSync(join(top, name), { mode: 0o755 });
  onDir(dir);
  writeEtc(join(top, 'base-etc'));
  const own = { kind: 'host', etcDir: join(top, 'base-etc') } as const;
  const base = basePath === '' ? own : ({ kind: 'directory', path: basePath } as const);
  const python = (await findPython(base, '')).path;
  const secretsDir = join(top, 'secrets');
  const logged: string[] = [];
  const removeAll = () => rmSync(top, { recursive: true });
  const engine = await startSockEngine({
    workerDir: dir,
    base,
    python,
    node: findNode(base, node),
    hostPython: hostPython || python,
    secretsDir,
    programDir,
    limits: LIMITS,
    limitsMax: { ...LIMITS, scratch_mb: 256, ...limitsMax },
    poolSize,
    poolMax: poolMax ?? poolSize,
    zygoteForksMax,
    networkAllowed,
    log: (_level, message, facts) => logged.push(`${message} ${JSON.stringify(facts)}`),
  }).catch((error: unknown) => {
    removeAll();
    throw error;
  });
  return benchOf(engine, { top, logged, close: removeAll });
}

/** Zygotes are an affair of engines that have some. */
type Creating = {
  create(spec: SandboxSpec, zygote?: Zygote): Promise<Sandbox>;
  load(spec: LoaderSpec): Promise<Loader | LoaderEnding>;
};

/** An engine whose worker's directory is `top`/worker, with lambdas in `top`/code. */
export function benchOf<E extends Engine>(
  engine: E,
  { top, logged, close }: { top: string; logged: string[]; close: () => void },
): Bench<E> {
  let made = 0;
  /** By what is in them. */
  const codeDirs = new Map<Source, string>();
  const codeDirOf = (source: Source): string => {
    const codeDir = codeDirs.get(source) ?? join(top, 'code', String(made));
    if (!codeDirs.has(source)) {
      codeDirs.set(source, codeDir);
      const files = typeof source === 'string' ? { 'lambda_func.py': source } : source;
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(join(codeDir, name, '..'), { recursive: true, mode: 0o755 });
        writeFileSync(join(codeDir, name), text, { mode: 0o644 });
      }
    }
    return codeDir;
  };
  const specOf = (
    source: Source,
    lambda: string,
    { limits = {}, env = {}, secrets = [], zygote = true, packages, from: _from, engine: _engine, ...rest }: Asked,
  ): SandboxSpec => {
    made += 1;
    const own = { lambda, instance: made, codeDir: codeDirOf(source), limits: { ...LIMITS, ...limits } };
    return { ...own, packages, env, secrets, zygote, network: NO_NETWORK, ...rest };
  };
  return {
    engine,
    dir: join(top, 'worker'),
    logged,
    secretsDir: join(top, 'secrets'),
    load: (source, lambda = 'probe', asked = {}, seeded = {}) =>
      (engine as unknown as Creating).load({ ...specOf(source, lambda, asked), seeded }),
    sandbox: async (source, lambda = 'probe', asked = {}) =>
      ((asked.engine ?? engine) as Creating).create(specOf(source, lambda, asked), asked.from),
    async close() {
      await engine.close();
      close();
    },
  };
}

/** What the newest sandbox of a lambda sees as /host, as people find it. */
export function newestScratch(bench: Bench<Engine>, lambda: string): string {
  const dir = join(bench.dir, 'handlers', lambda);
  return join(dir, String(Math.max(...readdirSync(dir).map(Number))));
}

/** Appends to /host/ticks all the time, and answers what it is asked. */
export const TICKS =
  'import threading, time\ndef tick():\n    with open("/host/ticks", "ab", 0) as file:\n        while True:\n            file.write(b".")\n            time.sleep(0.001)\n' +
  'threading.Thread(target=tick, daemon=True).start()\ndef handler(e):\n    return e\n';

/** Of a lambda that runs that, or does the same: waits until its newest sandbox does so no more. */
export async function ticksNoMore(bench: Bench<Engine>, lambda: string): Promise<void> {
  const ticks = ticksOf(bench, lambda);
  const meanwhile = async () => {
    const before = ticks();
    await delay(500); // one that runs would tick hundreds of times
    return ticks() - before;
  };
  await expect.poll(meanwhile).toBe(0);
}

/** Waits until it does so again. */
export async function ticksAgain(bench: Bench<Engine>, lambda: string): Promise<void> {
  const ticks = ticksOf(bench, lambda);
  const before = ticks();
  await expect.poll(ticks).toBeGreaterThan(before);
}

function ticksOf(bench: Bench<Engine>, lambda: string): () => number {
  const path = join(newestScratch(bench, lambda), 'ticks');
  return () => statSync(path, { throwIfNoEntry: false })?.size ?? 0; // before the first
}

/** Runs the event as Python and answers its value `r`, or the exception's name. */
export const PROBE = `
def handler(source):
    space = {}
    try:
        exec(source, space)
        return space.get("r")
    except BaseException as error:
        return f"{type(error).__name__}: {getattr(error, 'errno', None)}"
`;

export function ask(sandbox: Sandbox, event: unknown = {}): Promise<Reply> {
  return sandbox.call({
    requestId: 'test-request',
    event: Buffer.from(JSON.stringify(event)),
    deadlineMs: Date.now() + LIMITS.timeout_ms,
  });
}

/** The value of a call that must have succeeded. */
export async function resultOf(sandbox: Sandbox, event: unknown = {}): Promise<unknown> {
  const reply = await ask(sandbox, event);
  if (reply.kind === 'result') return JSON.parse(reply.body.toString());
  throw new Error(reply.kind === 'ended' ? JSON.stringify(reply.ending) : `${reply.kind}: ${reply.body}`);
}
