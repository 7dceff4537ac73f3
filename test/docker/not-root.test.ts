/** A worker that is not root: in the group that may use Docker's socket, and outside of it. */
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cleanEnvironment, type Finished, ROOT, run, succeeded } from '../e2e/admin.ts';
import { request } from '../e2e/cluster.ts';
import { inDocker } from './docker-bench.ts';
import { IMAGE } from './dockerd.ts';

/** Nobody's on this machine. */
const USER = 61_234;
/** As `dockerd --group` gives its socket to. */
const DOCKER_GROUP = 61_235;

/** Leaves what only who is root could remove by its path. */
const HOSTILE = `import os
def handler(event):
    os.mkdir("/host/closed"); open("/host/closed/file", "w").close(); os.chmod("/host/closed", 0)
    os.symlink(event["outside"], "/host/link")
    os.chdir("/host")
    for _ in range(1500):
        os.mkdir("deep"); os.chdir("deep")
    return [os.getuid(), open("/proc/self/status").read().split("CapEff:")[1].split()[0]]
`;

let temp: string;
let socket: string;
beforeAll(() => {
  temp = mkdtempSync(join(tmpdir(), 'isla-not-root-'));
  chmodSync(temp, 0o755);
  socket = (process.env.DOCKER_HOST as string).replace('unix://', '');
  chmodSync(join(socket, '..'), 0o711);
  chownSync(socket, 0, DOCKER_GROUP);
  const isla = join(temp, 'isla');
  for (const name of ['bin', 'dist', 'package.json']) cpSync(join(ROOT, name), join(isla, name), { recursive: true });
  for (const name of neededPackages()) cpSync(join(ROOT, name), join(isla, name), { recursive: true });
  mkdirSync(join(temp, 'home'));
  chownSync(join(temp, 'home'), USER, USER);
}, 120_000);
afterAll(() => {
  rmSync(temp, { recursive: true });
  expect(inDocker()).toEqual([]);
});

function neededPackages(): string[] {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean }>;
  };
  const top = Object.entries(packages).filter(
    ([path, { dev }]) => /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path) && !dev,
  );
  return top
    .map(([path]) => path)
    .filter((path) => statSync(join(ROOT, path), { throwIfNoEntry: false }) !== undefined);
}

function admin(groups: string, ...args: string[]): Promise<Finished> {
  const rights = [`--reuid=${USER}`, `--regid=${USER}`, groups, '--inh-caps=-all'];
  const env = cleanEnvironment({ HOME: join(temp, 'home'), TMPDIR: join(temp, 'home') });
  return run('setpriv', [...rights, join(temp, 'isla/bin/admin'), ...args], { cwd: join(temp, 'home'), env });
}

const MEMBER = `--groups=${DOCKER_GROUP}`;
const settings = JSON.stringify({ sandbox: 'docker', docker: { image: IMAGE }, pool_size: 1 });

it('in the group: lambdas run under its id, and what a hostile one left is removed', async () => {
  const cluster = join(temp, 'home/member');
  succeeded(await admin(MEMBER, 'new', `--cluster=${cluster}`), 'new');
  succeeded(await admin(MEMBER, 'setconf', `--cluster=${cluster}`, settings), 'setconf');
  const outside = join(temp, 'home/outside');
  mkdirSync(outside);
  mkdirSync(join(cluster, 'registry/hostile'), { recursive: true });
  writeFileSync(join(cluster, 'registry/hostile/lambda_func.py'), HOSTILE);
  succeeded(await admin(MEMBER, 'workers', `--cluster=${cluster}`, '--port=0'), 'workers');
  const { stdout } = await admin(MEMBER, 'status', `--cluster=${cluster}`);
  const [, url] = /^ {2}(http:\/\/\S+)\/status => ready/m.exec(stdout) ?? [];
  const answer = await request(`${url}/runLambda/hostile`, { method: 'POST', body: JSON.stringify({ outside }) });
  const killed = await admin(MEMBER, 'kill', `--cluster=${cluster}`);
  expect([answer.status, answer.json]).toEqual([200, [USER, '0000000000000000']]);
  expect([killed.status, killed.stderr]).toEqual([0, '']);
  expect(statSync(outside).isDirectory()).toBe(true);
  const left = ['slots', 'containers', 'handlers']
    .map((dir) => join(cluster, 'workers/worker-0', dir))
    .filter(existsSync);
  expect(left.flatMap((dir) => readdirSync(dir))).toEqual([]);
  expect(readFileSync(join(cluster, 'logs/worker-0.out'), 'utf8')).not.toMatch(/could not be removed/);
});

it('outside of it: neither worker nor doctor leaves it at "permission denied"', async () => {
  const cluster = join(temp, 'home/outsider');
  succeeded(await admin('--clear-groups', 'new', `--cluster=${cluster}`), 'new');
  succeeded(await admin('--clear-groups', 'setconf', `--cluster=${cluster}`, settings), 'setconf');
  const refused = await admin('--clear-groups', 'workers', `--cluster=${cluster}`, '--port=0');
  expect(refused.status).not.toBe(0);
  expect(refused.stderr).toMatch(
    /this user may not open \S+docker\.sock; add it to the group docker \(`sudo usermod -aG docker/,
  );
  const { stdout } = await admin('--clear-groups', 'doctor', `--cluster=${cluster}`);
  expect(stdout).toMatch(/missing +Docker +this user may not open \S+docker\.sock\n.*\n.*mend: usermod -aG docker/);
  expect((await admin('--clear-groups', 'kill', `--cluster=${cluster}`)).status).toBe(0);
});
