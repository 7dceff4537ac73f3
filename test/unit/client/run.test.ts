import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Gateway } from '../../../src/client/gateway.ts';
import { ProblemError } from '../../../src/client/problem.ts';
import type { ConsoleItem } from '../../../src/client/result.ts';
import { frame, onRequest, ScriptedGateway } from './scripted-gateway.ts';

let gateway: ScriptedGateway;
beforeEach(async () => {
  gateway = await ScriptedGateway.start();
});
afterEach(() => gateway.stop());

const session = () => new Gateway(gateway.access, {}).session('work');

describe('a run', () => {
  it('tells what comes as it comes, and in the end all of it', async () => {
    gateway.streams = [
      onRequest((request, socket) => {
        expect(request).toMatchObject({ mode: 'query', code: 'go()', runId: expect.stringMatching(/^[0-9a-f]{16}$/) });
        const display = { bundle: { 'text/html': '<b>1</b>', 'text/plain': '1' }, execution: true };
        socket.send(frame({ console: [['stdout', 'a']], next: 1 }));
        socket.send(
          frame({
            console: [
              ['html', '<b>1</b>'],
              ['stderr', 'e'],
            ],
            displays: [display],
            next: 3,
          }),
        );
        const error = { name: 'ValueError', message: 'no', traceback: ['ValueError: no'] };
        socket.send(frame({ status: 'finished', exitCode: 0, console: [['stdout', 'b']], error, next: 4 }));
      }),
    ];
    const heard: unknown[] = [];
    const run = session().start('go()', {
      onStdout: (text) => heard.push(['out', text]),
      onStderr: (text) => heard.push(['err', text]),
      onDisplay: (display) => heard.push(Object.keys(display.bundle)),
    });
    const items: ConsoleItem[] = [];
    for await (const item of run) items.push(item);
    expect(items).toEqual([
      ['stdout', 'a'],
      ['html', '<b>1</b>'],
      ['stderr', 'e'],
      ['stdout', 'b'],
    ]);
    expect(heard).toEqual([
      ['out', 'a'],
      ['err', 'e'],
      ['text/html', 'text/plain'],
      ['out', 'b'],
    ]);
    expect(await run.result).toMatchObject({
      exitCode: 0,
      timedOut: false,
      stdout: 'ab',
      stderr: 'e',
      items,
      displays: [{ execution: true }],
      error: { name: 'ValueError' },
    });
    // Once more, from the beginning.
    const again: ConsoleItem[] = [];
    for await (const item of run) again.push(item);
    expect(again).toEqual(items);
  });

  it('goes on where it was when its connection breaks', async () => {
    const requests: unknown[] = [];
    gateway.streams = [
      onRequest((request, socket) => {
        requests.push(request);
        socket.send(frame({ console: [['stdout', 'a']], next: 7 }), () => socket.terminate());
      }),
      (socket) => socket.terminate(),
      onRequest((request, socket) => {
        requests.push(request);
        socket.send(frame({ status: 'finished', exitCode: 0, console: [['stdout', 'b']], next: 9 }));
      }),
    ];
    const states: string[] = [];
    const run = session().start('go()', { onConnection: (state) => states.push(state) });
    expect((await run.result).stdout).toBe('ab');
    expect(requests[1]).toEqual({
      mode: 'continue',
      code: '',
      runId: run.runId,
      options: { after: 7 },
      keepOpen: true,
    });
    expect(states).toEqual(['lost', 'back', 'lost', 'back']);
  });

  it('is begun once more only if the gateway knows nothing of it', async () => {
    const modes: unknown[] = [];
    gateway.streams = [
      onRequest((request, socket) => {
        modes.push(request.mode);
        socket.terminate();
      }),
      onRequest((request, socket) => {
        modes.push(request.mode);
        socket.send(JSON.stringify({ status: 'error', msg: 'there is no execution of that id' }));
      }),
      onRequest((request, socket) => {
        modes.push(request.mode);
        socket.send(frame({ status: 'finished', exitCode: 0 }));
      }),
    ];
    await session().run('go()');
    expect(modes).toEqual(['query', 'continue', 'query']);
  });

  it('gives the code the lines that it reads', async () => {
    const lines: string[] = [];
    gateway.streams = [
      (socket) => {
        socket.once('message', () => {
          socket.send(frame({ status: 'waiting-input', options: { is_password: true } }));
          socket.on('message', (data) => {
            lines.push(String(data));
            socket.send(
              lines.length === 2
                ? frame({ status: 'finished', exitCode: 0 })
                : frame({ status: 'waiting-input', options: { is_password: false } }),
            );
          });
        });
      },
    ];
    await session().run('x', { onInput: ({ isPassword }) => (isPassword ? 'secret' : 'plain') });
    expect(lines).toEqual(['secret', 'plain']);
  });

  it('that waits for input that nobody gives is interrupted', async () => {
    gateway.answers.set('POST /kernel/work/interrupt', { status: 204 });
    gateway.streams = [onRequest((_, socket) => socket.send(frame({ status: 'waiting-input', options: {} })))];
    await expect(session().run('input()')).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(/onInput/),
    });
    expect(gateway.asked.map(({ method, target }) => `${method} ${target}`)).toEqual(['POST /kernel/work/interrupt']);
  });

  it('is watched over the stream of the one before', async () => {
    let opened = 0;
    gateway.streams = [
      (socket) => {
        opened += 1;
        socket.on('message', () => socket.send(frame({ status: 'finished', exitCode: opened })));
      },
    ];
    const kept = session();
    for (let at = 0; at < 3; at += 1) expect((await kept.run('x')).exitCode).toBe(1);
    // Two at the same time have one each.
    const both = await Promise.all([kept.run('x'), kept.run('x')]);
    expect(both.map(({ exitCode }) => exitCode).sort()).toEqual([1, 2]);
  });

  it('that is refused says what the gateway says', async () => {
    await expect(session().run('x')).rejects.toMatchObject({
      name: 'ProblemError',
      status: 404,
      slug: 'kernel-not-found',
      message: 'No such kernel. It ended.',
    });
    gateway.streams = [
      onRequest((_, socket) => socket.send(JSON.stringify({ status: 'error', msg: 'code is missing' }))),
    ];
    const refused = session().run('x');
    await expect(refused).rejects.toBeInstanceOf(ProblemError);
    await expect(refused).rejects.toThrow('code is missing');
  });

  it('can be left, and rejects for whoever iterates over it', async () => {
    const leave = new AbortController();
    gateway.streams = [onRequest((_, socket) => socket.send(frame({ console: [['stdout', 'a']] })))];
    const run = session().start('x', { signal: leave.signal });
    const iterate = async () => {
      for await (const item of run) {
        expect(item).toEqual(['stdout', 'a']);
        leave.abort(new Error('enough'));
      }
    };
    await expect(iterate()).rejects.toThrow('enough');
    await expect(run.result).rejects.toThrow('enough');
  });

  it('of which nobody answers is told at once', async () => {
    const { access } = gateway;
    await gateway.stop();
    const gone = new Gateway(access, {}).session('work');
    await expect(gone.run('x')).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining(access.endpoint),
    });
    await expect(gone.info()).rejects.toMatchObject({ code: 'unreachable' });
    gateway = await ScriptedGateway.start();
  });
});
