import { expect, test } from 'vitest';
import { request, type TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';
import { useCluster, withCluster } from './use-cluster.ts';

const cluster = useCluster();
const ISOLATED = '{"isolation": "call", "concurrency": 8}';

/** Looks for traces of an earlier event, leaves its own wherever a handler can, and tells whose process it is. */
const SPY = `
import os, threading, time, random

seen = []
ticks = 0

def tick():
    global ticks
    while True:
        ticks += 1
        time.sleep(0.001)

def handler(event, context):
    found = []
    if seen: found.append("global")
    if ticks: found.append("thread")
    if threading.active_count() > 1: found.append("threads alive")
    for path in ("/tmp/trace", "/dev/shm/trace", "/host/trace"):
        if os.path.exists(path): found.append(path)
        open(path, "w").close()
    if "TRACE" in os.environ: found.append("environment")
    if os.getcwd() != "/handler": found.append("working directory")
    if os.umask(0o022) != 0o022: found.append("umask")
    others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
    if others: found.append("processes " + ",".join(others))
    seen.append(event)
    os.environ["TRACE"] = "1"
    os.umask(0)
    os.chdir("/tmp")
    threading.Thread(target=tick, daemon=True).start()
    if os.fork() == 0:
        time.sleep(600)
    return {"found": found, "instance": context.log_stream_name, "number": random.random()}
`;

async function instances(of: TestCluster, lambda: string): Promise<{ instance: number; state: string }[]> {
  const { json } = await request(`${of.url()}/status`, { headers: { accept: 'application/json' } });
  return json.sandboxes.filter((one: { lambda: string }) => one.lambda === lambda);
}

/** Resolves when so many instances wait with their code loaded and nothing else is going on. */
const settled = (of: TestCluster, lambda: string, count: number) =>
  eventually(async () => {
    const states = (await instances(of, lambda)).map(({ state }) => state);
    expect(states).toHaveLength(count);
    expect(states.filter((state) => state !== 'idle' && state !== 'paused')).toEqual([]);
  });

test('an event finds nothing of an earlier one: no memory, file, thread, process or variable', async () => {
  cluster().install('spy', { 'lambda_func.py': SPY, 'lambda.json': ISOLATED });
  const whose = new Set();
  const numbers = new Set();
  for (let event = 0; event < 12; event += 1) {
    const { status, json } = await cluster().call('spy', event);
    expect([status, json.found]).toEqual([200, []]);
    whose.add(json.instance);
    numbers.add(json.number);
    if (event % 2 === 1) await settled(cluster(), 'spy', 1);
  }
  expect(whose.size).toBe(12);
  expect(numbers.size).toBe(12);
});

test('300 events of 8 clients have 300 processes, and leave those behind that wait for more', async () => {
  cluster().install('many', { 'lambda_func.py': SPY, 'lambda.json': ISOLATED });
  const whose = new Set();
  let left = 300;
  const client = async () => {
    while (left > 0) {
      left -= 1;
      const { status, json } = await cluster().call('many', left);
      expect([status, json.found]).toEqual([200, []]);
      whose.add(json.instance);
    }
  };
  await Promise.all(Array.from({ length: 8 }, client));
  expect(whose.size).toBe(300);
  await eventually(async () => {
    const waiting = await instances(cluster(), 'many');
    expect(waiting.map(({ state }) => state).filter((state) => state !== 'paused')).toEqual([]);
    expect(waiting.length).toBeGreaterThan(0);
    expect(waiting.length).toBeLessThanOrEqual(8);
    expect(cluster().instanceDirs('many')).toHaveLength(waiting.length);
  });
});

test('an event that comes when one waits finds the code loaded, and one that does not fit waits its turn', async () => {
  cluster().install('loaded', {
    'lambda_func.py': 'import time\ntime.sleep(0.1)\ndef handler(event):\n    return event\n',
    'lambda.json': '{"isolation": "call", "concurrency": 2}',
  });
  expect((await cluster().call('loaded', 0)).headers.get('server-timing')).toContain('init');
  for (let event = 1; event < 5; event += 1) {
    await settled(cluster(), 'loaded', 1);
    const { json, headers } = await cluster().call('loaded', event);
    expect(json).toBe(event);
    expect(headers.get('server-timing')).not.toContain('init');
  }
  const answers = await Promise.all([5, 6, 7, 8, 9, 10].map((event) => cluster().call('loaded', event)));
  expect(answers.map(({ json }) => json)).toEqual([5, 6, 7, 8, 9, 10]);
});

test('what an event broke concerns nobody else', async () => {
  const code = 'import os\ndef handler(event):\n    exec(event)\n    return "well"\n';
  cluster().install('breaking', { 'lambda_func.py': code, 'lambda.json': ISOLATED });
  for (const [event, status] of [
    ['os._exit(1)', 502],
    ['raise KeyError(1)', 500],
    ['import ctypes; ctypes.string_at(0)', 502],
    ['os.close(3)', 502],
  ] as const) {
    expect((await cluster().call('breaking', event)).status).toBe(status);
    expect((await cluster().call('breaking', 'pass')).json).toBe('well');
  }
});

test('a change of the code, or of the isolation itself, holds from the next event on', async () => {
  const count = (of: string) => `n = 0\ndef handler(event):\n    global n\n    n += 1\n    return ["${of}", n]\n`;
  cluster().install('changed', { 'lambda_func.py': count('old'), 'lambda.json': ISOLATED });
  for (let call = 0; call < 3; call += 1) expect((await cluster().call('changed')).json).toEqual(['old', 1]);
  cluster().install('changed', { 'lambda_func.py': count('new') });
  for (let call = 0; call < 3; call += 1) expect((await cluster().call('changed')).json).toEqual(['new', 1]);
  cluster().install('changed', { 'lambda.json': '{"isolation": "instance"}' });
  expect((await cluster().call('changed')).json).toEqual(['new', 1]);
  expect((await cluster().call('changed')).json).toEqual(['new', 2]);
});

test('instances that wait for events make room for lambdas that have some', async () => {
  await withCluster({ settings: { instances_max: 3 } }, async (small) => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const name of names) small.install(name, { 'lambda_func.py': SPY, 'lambda.json': ISOLATED });
    for (let round = 0; round < 6; round += 1) {
      const answers = await Promise.all(names.map((name) => small.call(name, round)));
      expect(answers.map(({ status, json }) => [status, json.found])).toEqual(names.map(() => [200, []]));
      const { json } = await request(`${small.url()}/status`, { headers: { accept: 'application/json' } });
      expect(json.sandboxes.length).toBeLessThanOrEqual(3);
    }
  });
});

test('what code leaves behind by being imported is told in the log, by name and once', async () => {
  const code = `
import random, socket, threading, time
random.seed(7)
dice = random.Random(5)
by_chance = random.Random()
peer, connection = socket.socketpair()
threading.Thread(target=time.sleep, args=(600,), name="poller", daemon=True).start()

def handler(event):
    return [random.random(), dice.random(), by_chance.random()]
`;
  cluster().install('leaves', { 'lambda_func.py': code, 'lambda.json': ISOLATED });
  cluster().install('leaves-nothing', {
    'lambda_func.py': 'import random\nby_chance = random.Random()\ndef handler(event):\n    return random.random()\n',
    'lambda.json': ISOLATED,
  });
  const numbers = [];
  for (let event = 0; event < 4; event += 1) {
    for (const lambda of ['leaves', 'leaves-nothing']) {
      numbers.push((await cluster().call(lambda)).json);
      await settled(cluster(), lambda, 1);
    }
  }
  const told = cluster()
    .log()
    .split('\n')
    .filter((line) => line.includes('leaves something behind'))
    .map((line) => JSON.parse(line));
  expect(told.map(({ lambda, what, where }) => `${lambda}: ${what} ${where}`).sort()).toEqual([
    'leaves: generator lambda_func.dice',
    'leaves: generator random',
    'leaves: socket lambda_func.connection',
    'leaves: socket lambda_func.peer',
    'leaves: thread poller',
  ]);
  expect(numbers[2].slice(0, 2)).toEqual(numbers[0].slice(0, 2));
  expect(numbers[2][2]).not.toEqual(numbers[0][2]);
});
