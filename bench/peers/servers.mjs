/**
 * Other servers of functions, installed on demand into bench/.peers, beside this one and a bare Hono server: time from
 * nothing to listening, and warm calls of a function that answers its event. None of those puts it into a sandbox.
 */
import { execFile } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT, withWorker } from '../bed.mjs';
import { spread } from '../figures.mjs';
import { findGenerator } from '../generator.mjs';
import { freePort, startServer } from '../server.mjs';

const run = promisify(execFile);
const PEERS = join(ROOT, 'bench/.peers');
const INSTALL_MS_MAX = 300_000;

const CLIENTS = 32;
/** An object, because some take nothing else; with a space, as Python's json writes it. */
const BODY = `{"text": "${'x'.repeat(86)}"}`;
const FOR_MS = 2_000;
const ROUNDS = 3;
const WARM_UP_MS = 3_000;
const FLOOR = 'bare Hono';

/** `packages`: pinned, so that figures of two days can be compared. */
const SERVERS = [
  {
    name: FLOOR,
    packages: [],
    path: '/runLambda/echo',
    start: () => startServer(process.execPath, [join(ROOT, 'bench/bare-hono.mjs')]),
  },
  {
    name: 'functions-framework',
    packages: ['@google-cloud/functions-framework@5.0.5'],
    path: '/',
    start: (port, dir) =>
      startServer(
        join(dir, 'node_modules/.bin/functions-framework'),
        ['--target=echo', `--source=${dir}`, `--port=${port}`],
        { port, cwd: dir },
      ),
  },
  {
    name: 'workerd',
    packages: ['workerd@1.20261117.1'],
    path: '/',
    start: (port, dir) => {
      writeFileSync(join(dir, 'config.capnp'), workerdConfig(port));
      return startServer(join(dir, 'node_modules/.bin/workerd'), ['serve', 'config.capnp'], { port, cwd: dir });
    },
  },
  {
    name: 'serverless-offline',
    packages: ['serverless@3.40.0', 'serverless-offline@13.9.0'],
    path: '/echo',
    start: (port, dir) => {
      writeFileSync(join(dir, 'serverless.yml'), serverlessConfig());
      const args = ['offline', 'start', `--httpPort=${port}`, '--lambdaPort=0', '--noPrependStageInUrl'];
      return startServer(join(dir, 'node_modules/.bin/serverless'), args, {
        port,
        cwd: dir,
        env: { SLS_TELEMETRY_DISABLED: '1' },
      });
    },
  },
];

export async function measureServers(figures) {
  const generator = await findGenerator();
  for (const server of SERVERS) {
    try {
      const dir = await installed(server);
      const { port, readyMs, stop } = await server.start(await freePort(), dir);
      try {
        add(figures, server.name, await calls(generator, port, server.path), {
          n: 1,
          p50: readyMs,
          p99: readyMs,
          max: readyMs,
        });
      } finally {
        await stop();
      }
    } catch (error) {
      if (server.name === FLOOR) throw error;
      figures.lacks(server.name, String(error.message).trim().split('\n').slice(-3).join(' '));
    }
  }
  await withWorker({ limits: { concurrency: CLIENTS } }, async ({ port, registry }) => {
    cpSync(join(ROOT, 'handlers/echo'), join(registry, 'echo'), { recursive: true });
    add(figures, 'Isla, in sandboxes', await calls(generator, port, '/runLambda/echo'));
  });
}

function add(figures, name, perSecond, readyMs) {
  const floor = name === FLOOR ? undefined : FLOOR;
  figures.add(`warm calls, ${CLIENTS} clients, 0.1 KB, by whom`, name, perSecond, { unit: 'per second', floor });
  if (readyMs !== undefined) figures.add('from nothing to listening, by whom', name, rounded(readyMs), { floor });
}

function rounded(times) {
  return Object.fromEntries(Object.entries(times).map(([name, value]) => [name, Math.round(value * 1_000) / 1_000]));
}

async function calls(generator, port, path) {
  const order = { port, paths: [path], body: BODY, expected: BODY, clients: CLIENTS };
  await generator.measure({ ...order, forMs: WARM_UP_MS });
  const rounds = [];
  for (let turn = 0; turn < ROUNDS; turn += 1)
    rounds.push((await generator.measure({ ...order, forMs: FOR_MS })).perSecond);
  return spread(rounds);
}

async function installed({ name, packages }) {
  const dir = join(PEERS, name.replaceAll(' ', '-'));
  mkdirSync(dir, { recursive: true });
  copyFileSync(join(ROOT, 'bench/peers/functions.cjs'), join(dir, 'functions.cjs'));
  copyFileSync(join(ROOT, 'bench/peers/worker.mjs'), join(dir, 'worker.mjs'));
  if (packages.length === 0 || existsSync(join(dir, 'node_modules'))) return dir;
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ name: 'peer', private: true, main: 'functions.cjs' }));
  const flags = ['--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  await run('npm', ['install', ...flags, ...packages], { cwd: dir, timeout: INSTALL_MS_MAX });
  return dir;
}

function workerdConfig(port) {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [(name = "worker", esModule = embed "worker.mjs")], compatibilityDate = "2026-01-01"))],
  sockets = [(name = "http", address = "localhost:${port}", http = (), service = "main")]
);
`;
}

function serverlessConfig() {
  return `service: peer
frameworkVersion: '3'
provider: { name: aws, runtime: nodejs20.x }
plugins: [serverless-offline]
functions:
  echo:
    handler: functions.lambda
    events: [{ httpApi: { method: POST, path: /echo } }]
`;
}
