import { describe, expect, test } from 'vitest';
import { isFit } from '../../../src/compose/doctor.ts';
import { judgeKernel, type Probe, probeKernel } from '../../../src/compose/doctor-kernel.ts';

const GOOD: Probe = {
  kernel: '6.1.0',
  machine: 'x86_64',
  uid: 0,
  attempts: {
    user_namespace: null,
    unprivileged: null,
    clone: null,
    mount_proc: null,
    mount_api: null,
    new_file_system: null,
    pidfd: null,
    seccomp: null,
    cgroup_namespace: null,
  },
  landlock_abi: 2,
  overlay: true,
  cgroup: {
    v1: {},
    v2: {
      point: '/sys/fs/cgroup',
      group: '/sys/fs/cgroup/isla',
      controllers: ['cpu', 'memory', 'pids'],
      withheld: null,
      refused: null,
      files: ['cgroup.freeze', 'cgroup.kill'],
    },
  },
  sysctl: {
    'user.max_user_namespaces': '1000',
    'kernel.unprivileged_userns_clone': null,
    'kernel.apparmor_restrict_unprivileged_userns': null,
  },
};

const V2 = GOOD.cgroup.v2!;

function v1Point(name: string) {
  return { point: `/sys/fs/cgroup/${name}`, group: `/sys/fs/cgroup/${name}/isla`, refused: null, files: [] };
}

function notOk(probe: Probe) {
  return judgeKernel(probe).filter((check) => check.state !== 'ok');
}

describe('a kernel', () => {
  test('that has everything has nothing to mend', () => {
    expect(notOk(GOOD)).toEqual([]);
    expect(isFit(judgeKernel(GOOD))).toBe(true);
  });

  test('without a new mount API is unfit', () => {
    const probe = {
      ...GOOD,
      attempts: { ...GOOD.attempts, mount_api: 'open_tree: Function not implemented (ENOSYS)' },
    };
    expect(notOk(probe)).toMatchObject([
      { name: 'mounts by descriptor', state: 'missing', needed: true, mend: expect.stringMatching(/5\.12/) },
    ]);
    expect(isFit(judgeKernel(probe))).toBe(false);
  });

  test('that keeps user namespaces for root is fit for root only, and says the sysctl', () => {
    const attempts = { ...GOOD.attempts, unprivileged: 'unshare: Operation not permitted (EPERM)' };
    const sysctl = { ...GOOD.sysctl, 'kernel.apparmor_restrict_unprivileged_userns': '1' };
    const asRoot = { ...GOOD, attempts, sysctl };
    expect(notOk(asRoot)).toMatchObject([
      { state: 'weaker', mend: expect.stringMatching(/^sysctl -w kernel\.apparmor/) },
    ]);
    expect(isFit(judgeKernel(asRoot))).toBe(true);
    expect(isFit(judgeKernel({ ...asRoot, uid: 1000 }))).toBe(false);
  });

  test('without Landlock or with limits out of reach is weaker, and says what that means', () => {
    const refused = 'Permission denied (EACCES)';
    const cgroup = { v1: {}, v2: { ...V2, controllers: ['memory'], refused, files: [] } };
    const found = notOk({ ...GOOD, uid: 1000, landlock_abi: 0, cgroup });
    expect(found.map(({ name, state }) => `${name}: ${state}`)).toEqual([
      'Landlock: weaker',
      'limit on memory: weaker',
      'limit on pids: weaker',
      'limit on cpu: weaker',
      'freeze and kill by cgroup v2: weaker',
    ]);
    for (const check of found)
      expect(check).toMatchObject({ means: expect.stringMatching(/./), mend: expect.stringMatching(/./) });
  });

  test('may have its controllers on v1 beside a v2 without any', () => {
    const v1 = { memory: v1Point('memory'), pids: v1Point('pids'), cpu: v1Point('cpu') };
    expect(notOk({ ...GOOD, cgroup: { v1, v2: { ...V2, controllers: ['hugetlb'] } } })).toEqual([]);
  });

  test('says in which group the limits are written, for each controller where it is', () => {
    const cgroup = { v1: { memory: v1Point('memory') }, v2: { ...V2, controllers: ['pids'] } };
    const found = judgeKernel({ ...GOOD, cgroup }).filter(({ name }) => name.startsWith('limit on'));
    expect(found.map((check) => check.found)).toEqual([
      'cgroup v1 at /sys/fs/cgroup/memory/isla',
      'cgroup v2 at /sys/fs/cgroup/isla',
      'no cgroup has the controller cpu',
    ]);
  });

  test('whose cgroup v2 has controllers and keeps them to itself, as in a container, says why and what mends it', () => {
    const cgroup = { v1: {}, v2: { ...V2, controllers: [], withheld: 'there are processes in it' } };
    const found = notOk({ ...GOOD, cgroup });
    expect(found).toHaveLength(3);
    for (const check of found)
      expect(check).toMatchObject({
        state: 'weaker',
        found: '/sys/fs/cgroup: there are processes in it',
        mend: expect.stringContaining('mkdir /sys/fs/cgroup/rest; '),
      });
    expect(notOk({ ...GOOD, uid: 1000, cgroup })[0]?.mend).not.toContain('mkdir');
  });

  test('of another kind of machine is unfit', () => {
    expect(isFit(judgeKernel({ ...GOOD, machine: 'riscv64' }))).toBe(false);
  });
});

test('the probe tells of this machine what the judge asks', async () => {
  const probe = (await probeKernel('/usr/bin/python3', `${import.meta.dirname}/../../../src`)) as Probe;
  expect(Object.keys(probe).sort()).toEqual(Object.keys(GOOD).sort());
  expect(Object.keys(probe.attempts).sort()).toEqual(Object.keys(GOOD.attempts).sort());
});

test('a probe that does not run is a check that failed', async () => {
  expect(await probeKernel('/usr/bin/false', '/nowhere')).toMatchObject({ name: 'kernel', state: 'missing' });
});
