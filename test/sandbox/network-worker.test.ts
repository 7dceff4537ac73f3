/** Networks of a whole worker, as root and as somebody else, on a machine that the test makes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  accessSync,
  chmodSync,
  constants,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../e2e/eventually.ts';
import { Footprint } from '../e2e/footprint.ts';
import { lacking, makeWorld, NET, type World } from './network-fixture.ts';

const MAIN = resolve(import.meta.dirname, '../../dist/main.js');
const PORT = 8_080;
const USER = 61_234;

const lack = lacking();

/** Somebody else must be able to run this checkout. */
function isClosed(): boolean {
  try {
    for (let dir = dirname(MAIN); dir !== '/'; dir = dirname(dir)) {
      if ((statSync(dir).mode & 0o005) !== 0o005) return true;
    }
    accessSync(process.execPath, constants.X_OK);
    return false;
  } catch {
    return true;
  }
}

describe.each([
  ['root', []],
  [
    'somebody else',
    ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'],
  ],
])('a worker run by %s', (who, as) => {
  const reason = lack ?? (who !== 'root' && isClosed() ? 'others can not read this checkout' : undefined);
  let world: World;
  let worker: ChildProcess;
  let cluster: string;
  afterEach(async () => {
    if (worker?.exitCode === null && worker.signalCode === null) {
      worker.kill('SIGTERM');
      await once(worker, 'close');
    }
    expect(world?.left()).toEqual([]);
    await world?.close();
    if (cluster !== undefined) rmSync(cluster, { recursive: true, force: true });
  });

  async function start(): Promise<void> {
    // Many machines have this device for everybody; whether this one has must not matter here.
    world = await makeWorld({ tools: 'mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200' });
    cluster = mkdtempSync(join(tmpdir(), 'isla-net-worker-'));
    const command = [process.execPath, MAIN];
    world.onHost(...command, 'new', `--cluster=${cluster}/c`);
    const settings = {
      network_allowed: ['none', 'outbound', 'host'],
      worker_host: '0.0.0.0',
      pool_size: 1,
      log_level: 'info',
    };
    world.onHost(...command, 'setconf', `--cluster=${cluster}/c`, JSON.stringify(settings));
    const install = (name: string, file: object) => {
      mkdirSync(join(cluster, 'c/registry', name));
      writeFileSync(join(cluster, 'c/registry', name, 'lambda_func.py'), NET);
      writeFileSync(join(cluster, 'c/registry', name, 'lambda.json'), JSON.stringify(file));
    };
    install('closed', {});
    install('open', { network: 'outbound' });
    install('shared', { network: 'host' });
    install('listed', { network: 'outbound', egress: ['api.example.com:443'] });
    const config = join(cluster, 'c/config/worker-0.json');
    const template = JSON.parse(world.onHost('cat', join(cluster, 'c/config/template.json'))) as object;
    const own = { ...template, worker_port: PORT, worker_dir: join(cluster, 'c/workers/worker-0') };
    writeFileSync(config, JSON.stringify(own));
    if (who !== 'root') giveAway(cluster);
    const argv = [...world.enter, ...as, 'env', `HOME=${cluster}`, ...command, 'worker-exec', `--config=${config}`];
    worker = spawn(argv[0] as string, argv.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    await new Promise<void>((ready, failed) => {
      worker.once('close', () => failed(new Error(said)));
      worker.stdout!.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        if (said.includes('worker ready')) ready();
      });
    });
  }
  const call = (lambda: string, source: string): unknown => {
    const url = `http://127.0.0.1:${PORT}/runLambda/${lambda}`;
    return JSON.parse(world.onHost('curl', '-s', '-m', '30', '-X', 'POST', url, '-d', JSON.stringify(source)));
  };

  it.skipIf(reason !== undefined)(
    `gives lambdas the networks that they ask for, and its own port to none${reason ? ` (${reason})` : ''}`,
    async () => {
      await start();
      expect(call('closed', 'tcp("203.0.113.10", 443)')).toBe('ENETUNREACH');
      expect(call('open', 'by_name("other.example.com", 443)')).toBe('internet 203.0.113.11:443');
      expect(call('listed', 'by_name("api.example.com", 443)')).toBe('internet 203.0.113.10:443');
      expect(call('listed', 'look_up("other.example.com")')).toBe('EAI_NONAME');
      if (who === 'root') {
        expect(call('shared', 'tcp("127.0.0.1", 443)')).toBe('host');
      } else {
        expect(JSON.stringify(call('shared', '1'))).toMatch(/join the host's network: it takes root/);
        const status = world.onHost('curl', '-s', '-H', 'accept: application/json', `http://127.0.0.1:${PORT}/status`);
        expect(status).toMatch(/lambdas with network host do not start: it takes root/);
      }
      for (const lambda of ['open', 'listed']) {
        for (const address of ['198.51.100.2', '127.0.0.1', '2001:db8:1::2', '192.0.0.1']) {
          expect(call(lambda, `tcp("${address}", ${PORT})`)).toMatch(/^E(CONNREFUSED|NETUNREACH)$/);
          expect(call(lambda, `tcp("${address}", ${PORT}, "tap0")`)).toMatch(/^E(CONNREFUSED|NETUNREACH)$/);
        }
      }
    },
  );

  it.skipIf(reason !== undefined)(
    `that is killed with its spawner leaves no process, and \`kill\` removes the rest${reason ? ` (${reason})` : ''}`,
    async () => {
      await start();
      call('open', '1');
      call('listed', '1');
      const spawner = world.left().filter((line) => /\bpython/.test(line) && !line.includes('keeper'));
      expect(world.left().filter((line) => / pas/.test(line))).toHaveLength(2);
      const footprint = new Footprint(join(cluster, 'c')).look();
      // Until it is waited for it is a zombie of this process, and the next command stops all waiting.
      const ended = once(worker, 'exit');
      worker.kill('SIGKILL');
      for (const line of spawner) process.kill(Number(line.split(' ')[1]), 'SIGKILL');
      await eventually(() => expect(world.left()).toEqual([]), 2_000);
      await ended;
      world.onHost(...as, 'env', `HOME=${cluster}`, process.execPath, MAIN, 'kill', `--cluster=${cluster}/c`);
      expect(footprint.left()).toEqual([]);
    },
  );
});

function giveAway(dir: string): void {
  chmodSync(dir, 0o755);
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    lchownSync(join(entry.parentPath, entry.name), USER, USER);
  }
  lchownSync(dir, USER, USER);
}
