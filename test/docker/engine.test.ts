/** What is Docker's own: containers as people see them, faults of the daemon and of the image, and what is left after a crash. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/sandbox/sandbox.ts';
import { eventually } from '../e2e/eventually.ts';
import { ask, type Bench, resultOf } from '../sandbox/engine-fixture.ts';
import { docker, inDocker, startDockerBench } from './docker-bench.ts';

const [OWN, FOREIGN] = process.arch === 'x64' ? ['amd64', 'arm64'] : ['arm64', 'amd64'];
const HELLO = 'def handler(e):\n    return "hello"\n';

describe('containers', () => {
  let bench: Bench<Engine>;
  beforeEach(async () => {
    bench = await startDockerBench();
  });
  afterEach(async () => {
    await bench.close();
    expect(inDocker()).toEqual([]);
  });

  it('wait paused but for the next one, and are renamed and labelled so that people know them', async () => {
    await eventually(() => expect(states().sort()).toEqual(['paused', 'running']));
    const sandbox = await bench.sandbox(HELLO, 'greeter');
    expect(await resultOf(sandbox)).toBe('hello');
    await eventually(() =>
      expect(docker('ps', '--format', '{{.Names}}').join()).toMatch(/isla-[0-9a-f]{12}-\d+-greeter-1/),
    );
    const id = await idOf('greeter');
    const labels = JSON.parse(docker('inspect', '--format', '{{json .Config.Labels}}', id).join('')) as Record<
      string,
      string
    >;
    expect(labels).toMatchObject({
      'isla.worker': expect.stringMatching(/^[0-9a-f]{12}$/),
      'isla.worker.name': 'worker',
      'isla.slot': expect.stringMatching(/^\d+$/),
    });
    await sandbox.destroy();
  });

  it('are paused and resumed in Docker', async () => {
    const sandbox = await bench.sandbox(HELLO, 'sleepy');
    await resultOf(sandbox);
    await sandbox.pause();
    await eventually(() =>
      expect(docker('ps', '--filter', 'name=sleepy', '--format', '{{.Status}}').join()).toMatch(/Paused/),
    );
    expect(await resultOf(sandbox)).toBe('hello');
    await sandbox.destroy();
  });

  it('that somebody removes end with a word, and the next works', async () => {
    const sandbox = await bench.sandbox('import time\ndef handler(e):\n    time.sleep(600)\n', 'removed');
    const reply = ask(sandbox);
    docker('rm', '--force', await idOf('removed'));
    expect(await reply).toMatchObject({ kind: 'ended' });
    expect(await resultOf(await bench.sandbox(HELLO))).toBe('hello');
  });

  it('for lambdas with limits of their own are made when they are asked for, and one more waits for the next', async () => {
    const sandbox = await bench.sandbox(HELLO, 'small', { limits: { memory_mb: 64 } });
    expect(await resultOf(sandbox)).toBe('hello');
    const id = await idOf('small');
    expect(docker('inspect', '--format', '{{.HostConfig.Memory}}', id)).toEqual([String(64 << 20)]);
    const small = () =>
      docker('inspect', '--format', '{{.HostConfig.Memory}} {{.State.Status}}', ...docker('ps', '--quiet')).filter(
        (line) => line === `${64 << 20} running`,
      );
    await eventually(() => {
      expect(small()).toHaveLength(2);
      // Docker calls it running before it waits for code.
      const { poolWaiting, poolTarget } = bench.engine.stats();
      expect(poolWaiting).toBe(poolTarget);
    });
    const { handedOverFromPool } = bench.engine.stats();
    const next = await bench.sandbox(HELLO, 'small-too', { limits: { memory_mb: 64 } });
    expect(await resultOf(next)).toBe('hello');
    expect(bench.engine.stats().handedOverFromPool).toBe(handedOverFromPool + 1);
    await Promise.all([sandbox.destroy(), next.destroy()]);
  });

  it('with the network outbound do not start, by name', async () => {
    const open = bench.sandbox(HELLO, 'open', { network: { mode: 'outbound', egress: null } });
    await expect(open).rejects.toThrow(/docker engine has no network that keeps this machine out of reach/);
  });
});

describe('an engine does not start', () => {
  it.each([
    ['is not there', undefined, /isla-test:odd is not here and can not be pulled: .*docker load/],
    ['has no Python', OWN, /isla-test:odd runs no python3: .*set a docker.image that has one/],
    ['is made for another kind of machine', FOREIGN, new RegExp(`made for ${FOREIGN}, and this machine is ${OWN}`)],
  ])('whose image %s', async (_what, architecture, words) => {
    const image = 'isla-test:odd';
    if (architecture !== undefined) load(image, architecture);
    await expect(startDockerBench({ image })).rejects.toThrow(words);
    expect(inDocker()).toEqual([]);
    if (architecture !== undefined) docker('rmi', image);
  });

  it.each([
    ['unix:///nowhere/docker.sock', /no daemon answers at \/nowhere\/docker.sock; start it/],
    ['tcp://192.0.2.1:2375', /needs a daemon on this machine/],
  ])('where the daemon is %s', async (host, words) => {
    const before = process.env.DOCKER_HOST;
    process.env.DOCKER_HOST = host;
    try {
      await expect(startDockerBench()).rejects.toThrow(words);
    } finally {
      process.env.DOCKER_HOST = before;
    }
  });
});

/** Of the container of a lambda, which gets its name when it serves. */
async function idOf(lambda: string): Promise<string> {
  const ids = () => docker('ps', '--filter', `name=-${lambda}-`, '--format', '{{.ID}}');
  await eventually(() => expect(ids()).toHaveLength(1));
  return ids()[0] as string;
}

function states(): string[] {
  return docker('ps', '--all', '--filter', 'label=isla.worker', '--format', '{{.State}}');
}

/** An image of one empty layer, which no registry has to be asked for. */
function load(image: string, architecture: string): void {
  const dir = mkdtempSync(join(tmpdir(), 'isla-image-'));
  const layer = Buffer.alloc(10_240);
  const digest = createHash('sha256').update(layer).digest('hex');
  const config = { architecture, os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] } };
  writeFileSync(join(dir, 'layer.tar'), layer);
  writeFileSync(join(dir, 'config.json'), JSON.stringify(config));
  writeFileSync(
    join(dir, 'manifest.json'),
    JSON.stringify([{ Config: 'config.json', RepoTags: [image], Layers: ['layer.tar'] }]),
  );
  execFileSync('sh', ['-c', 'tar -C "$1" -c . | docker load', 'sh', dir], { stdio: 'pipe' });
  rmSync(dir, { recursive: true });
}
