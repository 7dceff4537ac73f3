/** What code in Node tries against the walls, and what it leaves. */
import { describe, expect, it } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import type { Asked } from './engine-fixture.ts';
import { inside, isAlive, useHostileBench } from './hostile-fixture.ts';
import { NODE_PROBE, nodeSandbox, told } from './node-fixture.ts';

const bench = useHostileBench();
const probe = (asked: Asked = {}): Promise<Sandbox> => nodeSandbox(bench(), NODE_PROBE, asked);

describe('code in Node', () => {
  it('has no right, no other process to see, and the filters of the others', async () => {
    const sandbox = await probe();
    const status = (await inside(sandbox, 'return fs.readFileSync("/proc/self/status", "utf8")')) as string;
    const python = (await inside(await bench().probe(), 'status()')) as Record<string, string>;
    for (const name of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp', 'Seccomp_filters']) {
      const value = new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1];
      expect([name, value]).toEqual([name, python[name]?.trim()]);
    }
    expect(await inside(sandbox, 'return [process.pid, process.getuid() > 0]')).toEqual([1, true]);
    const tasks = `return fs.readdirSync('/proc/self/task').map((id) =>
      /^CapEff:\\s*(.*)$/m.exec(fs.readFileSync('/proc/self/task/' + id + '/status', 'utf8'))[1])`;
    expect(new Set((await inside(sandbox, tasks)) as string[])).toEqual(new Set(['0000000000000000']));
    expect(await inside(sandbox, 'return fs.readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name))')).toEqual([
      '1',
    ]);
    await sandbox.destroy();
  });

  it.each([
    ['write to its own code', 'fs.writeFileSync("/handler/x", "")', 'EROFS'],
    ['write to the runtime', 'fs.writeFileSync("/runtime/isla_node/main.mjs", "")', 'EROFS'],
    ['write to the system', 'fs.writeFileSync("/usr/x", "")', 'EROFS'],
    ['change its Node', 'fs.chmodSync(process.execPath, 0o777)', /EROFS|EPERM/],
    ['read the memory of its first process', 'fs.readFileSync("/proc/1/environ")', 'allowed'],
    ['become root', 'process.setuid(0)', 'EPERM'],
    ['look at the host’s processes', 'process.kill(4194000, 0)', 'ESRCH'],
    ['change the kernel', 'fs.writeFileSync("/proc/sys/kernel/hostname", "x")', /EACCES|EROFS|EPERM|ENOENT/],
    ['mount', 'child.execFileSync("/bin/mount", ["-t", "tmpfs", "x", "/tmp"], { stdio: "ignore" })', /Error/],
    ['make a namespace', 'child.execFileSync("/usr/bin/unshare", ["-U", "true"], { stdio: "ignore" })', /Error/],
    [
      'reach through internals',
      'process.binding("spawn_sync"); process.dlopen({ exports: {} }, "/etc/passwd")',
      'ERR_DLOPEN_FAILED',
    ],
  ])('can not %s', async (_what, step, answer) => {
    const sandbox = await probe();
    const said = await inside(sandbox, `return attempt(() => { ${step} })`);
    if (answer instanceof RegExp) expect(said).toMatch(answer);
    else expect(said).toBe(answer);
    await sandbox.destroy();
  });

  it('reaches no network, and no socket of the host', async () => {
    const sandbox = await probe();
    const reach = (to: string) =>
      inside(
        sandbox,
        `return await new Promise((r) => net.connect(${to}).on('connect', () => r('connected')).on('error', (e) => r(e.code)))`,
      );
    expect(await reach('{ host: "192.0.2.1", port: 80 }')).toBe('ENETUNREACH');
    expect(await reach('{ path: "/var/run/docker.sock" }')).toBe('ENOENT');
    await sandbox.destroy();
  });

  it('can not be more processes and threads than it may', async () => {
    const sandbox = await probe({ limits: { procs: 24 } });
    const bomb = `
      const workers = []; let failed;
      for (let n = 0; n < 60 && failed === undefined; n += 1) {
        try {
          const worker = new threads.Worker('setInterval(() => {}, 1000)', { eval: true });
          workers.push(worker);
          failed = await new Promise((r) => { worker.once('online', () => r(undefined)); worker.once('error', (e) => r(e.code)); });
        } catch (error) { failed = error.code ?? error.message; }
      }
      return [fs.readdirSync('/proc/self/task').length <= 24, workers.length < 60, typeof failed];`;
    const [kind, value] = await told(sandbox, bomb);
    // Node may not survive a thread that it can not have: then its caller is told so.
    if (kind === 'result') expect(value).toEqual([true, true, 'string']);
    else expect([kind, (value as { cause: string }).cause]).toEqual(['ended', 'signal']);
    await sandbox.destroy();
  });

  it('that forks without end is limited, and ends with all that it made', async () => {
    const sandbox = await probe({ limits: { procs: 24 } });
    const bomb = `
      let failed = 0;
      for (let n = 0; n < 60; n += 1) {
        const one = child.spawn('/bin/sleep', ['600'], { detached: true, stdio: 'ignore' });
        one.on('error', () => { failed += 1; });
      }
      await delay(300);
      return failed;`;
    expect(await inside(sandbox, bomb)).toBeGreaterThan(30);
    const pids = bench().pidsOf(sandbox);
    expect(pids.length).toBeGreaterThan(1);
    expect(pids.length).toBeLessThanOrEqual(24);
    await sandbox.destroy();
    expect(pids.filter(isAlive)).toEqual([]);
  });

  it.each([
    ['buffers', 128, 'kept.push(Buffer.alloc(1 << 20, 1))'],
    ['objects', 128, 'kept.push(Array.from({ length: 10000 }, () => [1.5]))'],
    ['objects', 200, 'kept.push(Array.from({ length: 10000 }, () => [1.5]))'],
    ['texts', 128, 'kept.push(("x" + n).repeat(1 << 18) + n)'],
  ])('keeps no more %s than fit into %i MB', async (_what, memory_mb, fill) => {
    const sandbox = await probe({ limits: { memory_mb } });
    const reply = await told(sandbox, `const kept = []; for (let n = 0; ; n += 1) ${fill};`);
    expect(reply).toEqual(['ended', { cause: 'out-of-memory' }]);
    expect(await sandbox.ended).toEqual({ cause: 'out-of-memory' });
  });

  it('lives with garbage of many times its memory', async () => {
    const sandbox = await probe({ limits: { memory_mb: 128 } });
    const churn = `
      let sum = 0; let live = [];
      for (let n = 0; n < 100; n += 1) { live = Array.from({ length: 20000 }, () => [n]); sum += live.length; }
      return sum;`;
    expect(await inside(sandbox, churn)).toBe(2_000_000);
    await sandbox.destroy();
  });

  it('that answers for itself, or out of turn, is ended, and nobody gets that as an answer', async () => {
    const twice = Buffer.from('000000041100026e6f'.repeat(2), 'hex').toString('base64');
    for (const step of [
      `fs.writeSync(3, Buffer.from('${twice}', 'base64')); await delay(60000)`,
      'setTimeout(() => fs.writeSync(3, "x"), 0); return 1',
    ]) {
      const sandbox = await probe();
      await told(sandbox, step);
      // It goes on long enough for what the last one has left behind to come first.
      const [kind] = await told(sandbox, 'await delay(1000); return 2');
      expect(kind).toBe('ended');
      expect(['lost', 'exit']).toContain((await sandbox.ended).cause);
    }
  });

  it('has nothing of the worker’s in its hands', async () => {
    const sandbox = await probe();
    const links = `return fs.readdirSync('/proc/self/fd').flatMap((fd) => {
      try { return fs.readlinkSync('/proc/self/fd/' + fd).replace(/[0-9]+/g, 'N'); } catch { return []; } })`;
    const found = new Set((await inside(sandbox, links)) as string[]);
    const own = ['/dev/null', 'anon_inode:[eventfd]', 'anon_inode:[eventpoll]', 'pipe:[N]', 'socket:[N]', '/proc/N/fd'];
    expect([...found].filter((link) => !own.includes(link) && !/^\/(stdout|stderr)|deleted/.test(link))).toEqual([]);
    const sockets = `return fs.readdirSync('/proc/self/fd').filter((fd) => {
      try { return fs.readlinkSync('/proc/self/fd/' + fd).startsWith('socket'); } catch { return false; } })`;
    expect(await inside(sandbox, sockets)).toEqual(['3']);
    await sandbox.destroy();
  });

  it('ends with its sandbox, threads, children and all', async () => {
    const sandbox = await probe();
    await inside(
      sandbox,
      `new threads.Worker('for (;;);', { eval: true }); child.spawn('/bin/sh', ['-c', 'trap "" TERM; sleep 600 & wait'], { detached: true });
       await delay(200); return 1`,
    );
    const pids = bench().pidsOf(sandbox);
    expect(pids.length).toBeGreaterThan(1);
    await sandbox.destroy();
    expect(pids.filter(isAlive)).toEqual([]);
  });
});
