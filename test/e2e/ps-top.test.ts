/** `admin ps` and `admin top` of workers that work, and what they do to a terminal. */
import { type ChildProcess, spawn } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { ADMIN, cleanEnvironment } from './admin.ts';
import { eventually } from './eventually.ts';
import { useCluster, withCluster } from './use-cluster.ts';
import { callRuns, letGo, waitingCode } from './waiting-lambda.ts';

const cluster = useCluster({ workers: 2, settings: { pause_after_ms: 60_000 } });

describe('ps', () => {
  test('lists workers and instances, across workers', async () => {
    cluster().installExample('counter');
    await cluster().call('counter', {}, 0);
    await cluster().call('counter', {}, 0);
    await cluster().call('counter', {}, 1);
    const { status, stdout, stderr } = await cluster().admin('ps');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^WORKER +PID +STATE +INSTANCES +WAITING +POOL +ZYGOTES +MEMORY +OWN MEMORY\n/);
    expect(stdout).toMatch(/^worker-0 +\d+ +ready +1 +0 +\d\/4 +[1-9]\d* +\d+\.\d MiB +\d+\.\d MiB$/m);
    expect(stdout).toMatch(/^LAMBDA +INSTANCE +WORKER +STATE +AGE +CALLS +MEMORY$/m);
    expect(stdout).toMatch(/^counter +0 +worker-0 +(idle|paused) +\S+[sm] +2 +\d+\.\d MiB$/m);
    expect(stdout).toMatch(/^counter +0 +worker-1 +(idle|paused) +\S+[sm] +1 +\d+\.\d MiB$/m);
  });

  test('--json says the same as facts, calls that wait included', async () => {
    cluster().install('waits', { 'lambda_func.py': waitingCode('done'), 'lambda.json': '{"concurrency": 1}' });
    const calls = [cluster().call('waits'), cluster().call('waits')];
    const scratch = await callRuns(cluster(), 'waits');
    await expect
      .poll(async () => JSON.parse((await cluster().admin('ps', '--json')).stdout).workers[0].lambdas)
      .toContainEqual({ lambda: 'waits', waiting: 1, calls: 0, errors: 0, cold_starts: 0, run_ms: 0 });
    const { workers } = JSON.parse((await cluster().admin('ps', '--json')).stdout);
    expect(workers[0]).toMatchObject({
      name: 'worker-0',
      pid: cluster().workerPid(0),
      reachable: true,
      state: 'ready',
    });
    expect(workers[0].sandboxes).toContainEqual({
      lambda: 'waits',
      instance: 0,
      engine: 'sock',
      state: 'busy',
      age_ms: expect.any(Number),
      calls: 1,
      memory_bytes: expect.any(Number),
    });
    letGo(scratch);
    await Promise.all(calls);
  });

  test('of a cluster without workers says so; a worker that died is exit code 6', async () => {
    await withCluster({}, async (other) => {
      process.kill(other.workerPid(), 'SIGKILL');
      await eventually(async () => {
        const { status, stdout } = await other.admin('ps');
        expect({ status, stdout }).toEqual({ status: 6, stdout: expect.stringMatching(/^worker-0 +- +died/m) });
      });
      await other.admin('kill');
      expect(await other.admin('ps')).toMatchObject({
        status: 0,
        stdout: '',
        stderr: expect.stringContaining('no worker runs'),
      });
    });
  });
});

describe('top where there is no terminal', () => {
  test('looks twice, and prints rates once', async () => {
    cluster().installExample('echo');
    const looking = cluster().admin('top', '--interval=1.5', '--json');
    let calls = 0;
    let open = true;
    const calling = (async () => {
      for (; open; calls += 1) await cluster().call('echo');
    })();
    const { status, stdout, stderr } = await looking;
    open = false;
    await calling;
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const { workers, lambdas } = JSON.parse(stdout);
    expect(workers).toMatchObject([{ name: 'worker-0', zygotes: expect.any(Number) }, { name: 'worker-1' }]);
    const echo = lambdas.find(({ lambda }: { lambda: string }) => lambda === 'echo');
    expect(echo.calls_per_second).toBeGreaterThan(0);
    expect(echo.calls_per_second).toBeLessThanOrEqual(calls / 1.5);
    expect(echo.memory_bytes).toBeGreaterThan(0);
    const text = await cluster().admin('top', '--interval=0.1');
    expect(text.stdout).toMatch(/^LAMBDA +CALLS\/S +ERRORS\/S[\s\S]*^echo +0\.0 +0\.0/m);
    expect(text.stdout).not.toContain('\x1b');
  });

  test('an interval that makes no sense is wrong usage', async () => {
    for (const interval of ['0', '-1', 'x', '1e3']) {
      expect(await cluster().admin('top', `--interval=${interval}`)).toMatchObject({ status: 2, stdout: '' });
    }
  });
});

describe('top on a terminal', () => {
  const ENTERED = '\x1b[?1049h';
  const LEFT = '\x1b[?1049l';

  test.each([
    ['q', 0],
    ['ctrl-C', 0],
    ['SIGTERM', 143],
  ])('%s ends it, and the screen is as it was', async (how, exitCode) => {
    cluster().installExample('echo');
    await cluster().call('echo');
    const terminal = onTerminal('top', `--cluster=${cluster().dir}`, '--interval=0.2');
    await eventually(() => expect(terminal.shown().split('\x1b[H').length).toBeGreaterThan(3));
    expect(terminal.shown()).toContain(ENTERED);
    expect(terminal.shown()).toMatch(/echo +0\.0 /);
    expect(terminal.shown()).not.toContain(LEFT);
    if (how === 'SIGTERM') process.kill(terminal.innerPid(), 'SIGTERM');
    else terminal.type(how === 'q' ? 'q' : '\x03');
    expect(await terminal.exited).toBe(exitCode);
    // The mode of the terminal is asked of itself after the command.
    const after = terminal.shown().split(`\x1b[?25h${LEFT}`)[1];
    expect(after).toMatch(/ icanon [\s\S]* echo /);
  });
});

/** The command on a terminal of its own, by util-linux's `script`; afterwards the terminal's mode is printed. */
function onTerminal(...args: string[]) {
  const command = `sh -c 'echo "pid $$ "; exec "$0" "$@"' ${[ADMIN, ...args].map((word) => `'${word}'`).join(' ')}`;
  const child: ChildProcess = spawn('script', ['-qec', `${command}; code=$?; stty -a; exit $code`, '/dev/null'], {
    env: cleanEnvironment({ TERM: 'xterm' }),
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout!.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  return {
    exited: new Promise((done) => child.once('close', done)),
    shown: () => text,
    type: (keys: string) => child.stdin!.write(keys),
    innerPid: () => Number(/pid (\d+) /.exec(text)?.[1]),
  };
}
