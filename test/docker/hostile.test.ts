/** What a handler, an image or a name can not do to the worker, to Docker and to this machine. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/sandbox/sandbox.ts';
import { eventually } from '../e2e/eventually.ts';
import { ask, type Bench, PROBE, resultOf } from '../sandbox/engine-fixture.ts';
import { docker, inDocker, startDockerBench } from './docker-bench.ts';
import { IMAGE } from './dockerd.ts';

const HELLO = 'def handler(e):\n    return "hello"\n';
const DENIED = /^(PermissionError: (1|13)|OSError: 30)$/;

let bench: Bench<Engine>;
afterEach(async () => {
  await bench.close();
  expect(inDocker()).toEqual([]);
  expect(docker('volume', 'ls', '--quiet')).toEqual([]);
});

describe('a handler', () => {
  let outside: string;
  beforeEach(async () => {
    outside = mkdtempSync(join(tmpdir(), 'isla-outside-'));
    writeFileSync(join(outside, 'precious'), 'precious');
    bench = await startDockerBench({ poolSize: 1 });
  });
  afterEach(() => {
    const kept = readFileSync(join(outside, 'precious'), 'utf8');
    rmSync(outside, { recursive: true });
    expect(kept).toBe('precious');
  });

  it('that puts links where the worker looks leads nobody anywhere', async () => {
    const source =
      'import os, sys\ndef handler(e):\n    for name, to in e.items():\n        if os.path.lexists("/host/" + name):\n            os.unlink("/host/" + name)\n' +
      '        os.symlink(to, "/host/" + name)\n    print("printed")\n    sys.stdout.flush()\n    return sorted(os.listdir("/host"))\n';
    const sandbox = await bench.sandbox(source, 'linker');
    const socket = (process.env.DOCKER_HOST as string).replace('unix://', '');
    const links = {
      stdout: join(outside, 'precious'),
      stderr: outside,
      server_pipe: socket,
      dir: outside,
      up: '../../..',
    };
    expect(await resultOf(sandbox, links)).toEqual(Object.keys(links).sort());
    await sandbox.pause();
    expect(await resultOf(sandbox, {})).toHaveLength(5);
    await sandbox.destroy();
    expect(existsSync(join(bench.dir, 'handlers/linker/1'))).toBe(false);
  });

  it('that leaves what is hard to remove leaves nothing', async () => {
    const source =
      'import os\ndef handler(e):\n    os.mkdir("/host/closed"); open("/host/closed/file", "w").close(); os.chmod("/host/closed", 0)\n' +
      '    for odd in (b"\\xff\\xfe", b"new\\nline", b"-rf"):\n        os.mkdir(b"/host/" + odd)\n' +
      '    os.mkfifo("/host/fifo")\n    os.chdir("/host")\n    for _ in range(1500):\n        os.mkdir("deep"); os.chdir("deep")\n    os.chmod("/host", 0)\n    return "made"\n';
    const sandbox = await bench.sandbox(source);
    expect(await resultOf(sandbox)).toBe('made');
    await sandbox.destroy();
    expect(bench.logged).toEqual([]);
  });

  it('finds no door: the control socket is gone, and nothing of Docker or of others is in sight', async () => {
    const sandbox = await bench.sandbox(PROBE);
    const probe = (source: string) => resultOf(sandbox, source);
    expect(await probe('import os\nr = [os.listdir("/control"), os.path.exists("/var/run/docker.sock")]')).toEqual([
      [],
      false,
    ]);
    for (const source of [
      'open("/control/socket", "w")',
      'open("/run/packages/new", "w")',
      'open("/run/secrets/new", "w")',
      'open("/etc/hosts", "a")',
      'open("/etc/resolv.conf", "a")',
      'open("/sys/fs/cgroup/memory/memory.limit_in_bytes", "w")',
      'import os\nos.mknod("/host/device", 0o60600, 0x0800)',
      'import os\nos.link("/handler/lambda_func.py", "/host/link")',
    ]) {
      expect(await probe(source), source).toMatch(/^(PermissionError: (1|13)|OSError: (18|30)|FileNotFoundError: 2)$/);
    }
    expect(
      await probe(
        'import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.unshare(0x10000000)\nr = ctypes.get_errno()',
      ),
    ).toBe(1);
    await sandbox.destroy();
  });

  it('that forks without end is ended, with all its processes, and others run meanwhile', async () => {
    const source =
      'import os\ndef handler(e):\n    while True:\n        try:\n            os.fork()\n        except OSError:\n            pass\n';
    const sandbox = await bench.sandbox(source, 'bomb', { limits: { cpu_percent: 20 } });
    const reply = ask(sandbox);
    expect(await resultOf(await bench.sandbox(HELLO))).toBe('hello');
    await sandbox.destroy();
    expect(await reply).toEqual({ kind: 'ended', ending: { cause: 'destroyed' } });
  });

  it('that ends itself while it is being looked at, paused or ended is told by what it did', async () => {
    const source =
      'import os, threading, time\ndef handler(e):\n    threading.Timer(0.05, os._exit, [7]).start()\n    return "soon"\n';
    const sandbox = await bench.sandbox(source);
    expect(await resultOf(sandbox)).toBe('soon');
    expect(await sandbox.ended).toEqual({ cause: 'exit', status: 7 });
  });
});

describe('an image', () => {
  const odd = 'isla-test:odd-image';
  beforeEach(async () => {
    const changes = [
      'VOLUME /data',
      'ENV LEAKED=image',
      'USER root',
      'ENTRYPOINT ["/bin/false"]',
      'WORKDIR /data',
      'EXPOSE 80',
    ];
    const id = docker('create', IMAGE, 'true')[0] as string;
    const flags = changes.flatMap((change) => ['--change', change]);
    execFileSync('sh', ['-c', 'id=$1; shift; docker export "$id" | docker import "$@"', 'sh', id, ...flags, '-', odd], {
      stdio: 'pipe',
    });
    docker('rm', id);
    bench = await startDockerBench({ poolSize: 1, image: odd });
  });
  afterAll(() => void docker('rmi', odd));

  it('with volumes, a user and a program of its own gives a handler nothing of them', async () => {
    const sandbox = await bench.sandbox(PROBE);
    expect(await resultOf(sandbox, 'open("/data/new", "w")')).toMatch(DENIED);
    expect(await resultOf(sandbox, 'import os\nr = [os.getuid() != 0, os.getcwd()]')).toEqual([true, '/handler']);
    await sandbox.destroy();
  });
});

describe('a name', () => {
  it.each(['-rf', 'a.b_c-d', '.hidden', 'x'.repeat(64)])('of a lambda is a word to Docker, too: %s', async (lambda) => {
    bench = await startDockerBench({ poolSize: 1 });
    const sandbox = await bench.sandbox(HELLO, lambda);
    expect(await resultOf(sandbox)).toBe('hello');
    await eventually(() => expect(docker('ps', '--format', '{{.Names}}').join()).toContain(`-${lambda}-1`));
    await sandbox.destroy();
    expect(bench.logged).toEqual([]);
  });

  it('of a directory may have what separates words elsewhere', async () => {
    bench = await startDockerBench({ poolSize: 1, below: 'a:b, c="d"\n é $(id)' });
    const sandbox = await bench.sandbox(HELLO);
    expect(await resultOf(sandbox)).toBe('hello');
    // It gets its name while it answers.
    const named = () => docker('ps', '--quiet', '--filter', 'name=-probe-')[0];
    await expect.poll(named).toMatch(/^[0-9a-f]+$/);
    const id = named();
    const labels = JSON.parse(docker('inspect', '--format', '{{json .Config.Labels}}', id as string).join(''));
    expect(Object.keys(labels).sort()).toEqual(['isla.cluster', 'isla.slot', 'isla.worker', 'isla.worker.name']);
    await sandbox.destroy();
  });

  it('that the umask shuts for others is open to containers where it has to be', async () => {
    const before = process.umask(0o077);
    try {
      bench = await startDockerBench({ poolSize: 1 });
    } finally {
      process.umask(before);
    }
    expect(await resultOf(await bench.sandbox(HELLO))).toBe('hello');
  });
});
