import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hasSubIds } from './ids.ts';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster();

test('a handler that raises is 500 with type, message and traceback, and serves the next call', async () => {
  cluster().installExample('fail');
  for (const reason of ['first', 'second']) {
    const answer = await cluster().call('fail', { reason });
    expect(answer.status, answer.text).toBe(500);
    expect(answer.json).toMatchObject({
      errorType: 'OutOfCoffee',
      errorMessage: reason,
      stackTrace: expect.arrayContaining([expect.stringContaining('lambda_func.py')]),
      requestId: expect.any(String),
    });
  }
  const [dir] = cluster().instanceDirs('fail');
  expect(readFileSync(join(dir!, 'stdout'), 'utf8')).toBe('about to fail\nabout to fail\n');
});

test('a handler knows who it is, in every sandbox, and can list the packages', async () => {
  const code =
    'import os, pwd\n\n\ndef handler(event):\n    me = pwd.getpwuid(os.getuid())\n    return [me.pw_dir, me.pw_name, os.listdir("/packages")]\n';
  // One id for all is number 0 inside.
  const user = process.getuid?.() === 0 || (await hasSubIds(cluster())) ? /^sandbox/ : /^root$/;
  for (const lambda of ['who-1', 'who-2', 'who-3']) {
    cluster().install(lambda, code);
    expect(await cluster().call(lambda)).toMatchObject({
      status: 200,
      json: ['/tmp', expect.stringMatching(user), []],
    });
  }
});

test('a call is in the trace that its caller names', async () => {
  cluster().install('traced', 'import os\ndef handler(event):\n    return os.environ.get("TRACEPARENT")\n');
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const traced = await cluster().post('/runLambda/traced', '{}', { headers: { traceparent } });
  expect(traced).toMatchObject({ status: 200, json: traceparent });
  expect(await cluster().call('traced')).toMatchObject({ status: 200, json: null });
});

test('state lives as long as the instance', async () => {
  cluster().installExample('counter');
  for (const calls of [1, 2, 3])
    expect(await cluster().call('counter')).toMatchObject({ status: 200, json: { calls } });
  expect(cluster().instanceDirs('counter')).toHaveLength(1);
});

test('files in /host are seen on the host, and lambdas do not see those of others', async () => {
  cluster().installExample('scratch');
  cluster().install('peek', 'import os\ndef handler(event):\n    return sorted(os.listdir("/host"))\n');
  const written = await cluster().call('scratch', { name: 'note.txt', text: 'seen from outside' });
  expect(written.json.files).toContain('note.txt');
  const [dir] = cluster().instanceDirs('scratch');
  expect(readFileSync(join(dir!, 'note.txt'), 'utf8')).toBe('seen from outside');
  expect((await cluster().call('peek')).json).not.toContain('note.txt');
});

test('stdout and stderr of a handler lie in its directory, and never in the log of the worker', async () => {
  cluster().install(
    'talk',
    'import os, sys\ndef handler(event):\n    print("to-stdout")\n    print("to-stderr", file=sys.stderr)\n    os.system("echo from-a-child")\n',
  );
  expect((await cluster().call('talk')).json).toBe(null);
  const [dir] = cluster().instanceDirs('talk');
  expect(readFileSync(join(dir!, 'stdout'), 'utf8')).toBe('to-stdout\nfrom-a-child\n');
  expect(readFileSync(join(dir!, 'stderr'), 'utf8')).toBe('to-stderr\n');
  expect(existsSync(join(dir!, 'server_pipe'))).toBe(true);
  expect(cluster().log()).not.toContain('to-stdout');
});

test('many lambdas at once each run their own code in their own sandbox', async () => {
  const names = Array.from({ length: 12 }, (_, index) => `many-${index}`);
  for (const name of names) {
    cluster().install(
      name,
      `import os\ndef handler(event):\n    return ["${name}", event, os.readlink("/proc/self/ns/pid")]\n`,
    );
  }
  const answers = await Promise.all(names.map((name) => cluster().call(name, { to: name })));
  for (const [index, answer] of answers.entries()) {
    expect(answer).toMatchObject({ status: 200 });
    expect(answer.json.slice(0, 2)).toEqual([names[index], { to: names[index] }]);
  }
  expect(new Set(answers.map((answer) => answer.json[2])).size).toBe(names.length);
});

test('calls of one lambda at the same time each get their own answer', async () => {
  cluster().installExample('echo');
  const answers = await Promise.all(Array.from({ length: 60 }, (_, index) => cluster().call('echo', { index })));
  expect(answers.map((answer) => [answer.status, answer.json.index])).toEqual(answers.map((_, index) => [200, index]));
});

describe('the forms of a handler', () => {
  test.each([
    ['handler(event)', { 'lambda_func.py': 'def handler(event):\n    return event["n"] + 1\n' }],
    [
      'handler(event, context)',
      {
        'lambda_func.py':
          'def handler(event, context):\n    assert context.aws_request_id\n    return event["n"] + 1\n',
      },
    ],
    [
      'handler(conn, event)',
      { 'lambda_func.py': 'def handler(conn, event):\n    assert conn is None\n    return event["n"] + 1\n' },
    ],
    ['f.py with f(event)', { 'f.py': 'def f(event):\n    return event["n"] + 1\n' }],
    [
      'a module beside it',
      {
        'lambda_func.py': 'import mine\ndef handler(event):\n    return mine.up(event["n"])\n',
        'mine.py': 'def up(n):\n    return n + 1\n',
      },
    ],
  ])('%s', async (form, files) => {
    const name = `form-${form.replaceAll(/\W+/g, '-')}`.replace(/-$/, '');
    cluster().install(name, files);
    expect(await cluster().call(name, { n: 41 })).toMatchObject({ status: 200, json: 42 });
  });
});

describe('code that does not load', () => {
  test.each([
    ['a syntax error', 'def handler(event:\n', /Syntax/],
    ['an import that is missing', 'import nonesuch\ndef handler(event):\n    pass\n', /Import/],
    ['no handler', 'x = 1\n', /Handler/],
    ['an exception at the top', 'raise KeyError("early")\n', /KeyError/],
  ])('%s is 500 with its name, and mending it mends the lambda', async (name, code, errorType) => {
    const lambda = `broken-${name.replaceAll(' ', '-')}`;
    cluster().install(lambda, code);
    const answer = await cluster().call(lambda);
    expect(answer.status, answer.text).toBe(500);
    expect(answer.json.errorType).toMatch(errorType);
    cluster().install(lambda, 'def handler(event):\n    return "mended"\n');
    expect(await cluster().call(lambda)).toMatchObject({ status: 200, json: 'mended' });
  });

  test('a directory without code is an error that says which file is wanted', async () => {
    cluster().install('empty', { 'README.txt': 'nothing here' });
    const answer = await cluster().call('empty');
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.text).toContain('lambda_func.py');
  });
});

const FAILED = [500, 502];

describe('handlers that misbehave', () => {
  const cases: [what: string, statuses: number[], code: string][] = [
    ['exits', FAILED, 'import os\ndef handler(event):\n    os._exit(3)\n'],
    ['calls sys.exit', FAILED, 'import sys\ndef handler(event):\n    sys.exit(3)\n'],
    ['crashes the interpreter', FAILED, 'import ctypes\ndef handler(event):\n    ctypes.string_at(0)\n'],
    // The handler is the first process of its namespace, which the kernel shields from such signals.
    ['kills itself', [200, 502], 'import os\ndef handler(event):\n    os.kill(os.getpid(), 9)\n'],
    ['recurses without end', FAILED, 'def handler(event):\n    return handler(event)\n'],
    ['returns what is no JSON', FAILED, 'def handler(event):\n    return {1, 2}\n'],
    [
      'writes to its descriptors',
      [200, ...FAILED],
      'import os\ndef handler(event):\n    for fd in range(3, 64):\n        try:\n            os.write(fd, b"x" * 64)\n        except OSError:\n            pass\n',
    ],
    ['closes its descriptors', [200, ...FAILED], 'import os\ndef handler(event):\n    os.closerange(3, 1024)\n'],
  ];
  const WHEN_TOLD = '_bad = handler\ndef handler(event):\n    return "fine" if event == "be good" else _bad(event)\n';

  test.each(cases)(
    'one that %s gets an answer, and neither it nor others are poisoned',
    async (what, statuses, code) => {
      const lambda = `bad-${what.replaceAll(' ', '-')}`;
      cluster().install(lambda, `${code}\n${WHEN_TOLD}`);
      expect(statuses).toContain((await cluster().call(lambda)).status);
      expect(await cluster().call(lambda, 'be good')).toMatchObject({ status: 200, json: 'fine' });
      cluster().installExample('echo');
      expect(await cluster().call('echo', 1)).toMatchObject({ status: 200, json: 1 });
    },
  );
});
