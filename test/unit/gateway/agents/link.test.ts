/** An agent and its gateway over real sockets; only kernels are scripted. */
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { Agent } from '../../../../src/agent/agent.ts';
import { Failure } from '../../../../src/config/failure.ts';
import { type AgentDoor, openDoor } from '../../../../src/gateway/agents/door.ts';
import { type AgentEvent, Fleet } from '../../../../src/gateway/agents/fleet.ts';
import { deferred } from '../../../../src/lib/deferred.ts';
import type { ExecuteResult, HostEvent } from '../../../../src/session/host.ts';
import { CLOSE_CODES, LINK_PATH } from '../../../../src/session/link/hello.ts';
import { scriptedHost, specOf } from '../../session/scripted-host.ts';

const TOKEN = 'a token of the test';
const LONG = 20_000;
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Gateway {
  fleet: Fleet;
  door: AgentDoor;
  server: Server;
  port: number;
  events: HostEvent[];
  agentEvents: AgentEvent[];
  /** As if it were killed. */
  kill(): Promise<void>;
}

async function gateway(port = 0, silenceMsMax?: number): Promise<Gateway> {
  const fleet = new Fleet(() => {}, silenceMsMax);
  const door = await openDoor({ fleet, token: () => TOKEN, log: () => {} });
  const server = createServer();
  server.on('upgrade', (request, socket, head) => door.upgrade(request, socket, head));
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const events: HostEvent[] = [];
  const agentEvents: AgentEvent[] = [];
  fleet.onEvent((event) => events.push(event));
  fleet.onAgent((event) => agentEvents.push(event));
  const kill = async () => {
    door.close();
    fleet.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  closers.push(kill);
  return { fleet, door, server, port: (server.address() as AddressInfo).port, events, agentEvents, kill };
}

interface AgentOptions {
  id?: string;
  token?: string;
  sessionsMax?: number;
  obtain?: () => Promise<void>;
}

function agent(port: number, { id = 'a', token = TOKEN, sessionsMax = 10, obtain }: AgentOptions = {}) {
  const scripted = scriptedHost(sessionsMax, obtain && { obtain });
  const said: string[] = [];
  const one = new Agent({
    id,
    version: '1',
    capacity: { cpus: 1, memoryBytes: 1_000, sessionsMax },
    host: scripted.host,
    sessions: () => scripted.host.size,
    memoryUsed: () => 100,
    log: (_level, message, facts) => said.push(`${message} ${facts?.reason ?? ''}`),
  });
  closers.push(() => one.close());
  one.join({ url: `http://127.0.0.1:${port}`, token });
  return { ...scripted, agent: one, said };
}

const alive = ({ fleet }: Gateway) => fleet.agents().filter(({ state }) => state === 'alive');

async function joined() {
  const there = await gateway();
  const here = agent(there.port);
  await expect.poll(() => alive(there)).toHaveLength(1);
  const { id } = await there.fleet.create(specOf());
  return { there, here, id };
}

describe('a call', () => {
  test('goes to the agent that has the session, and its answer comes back', async () => {
    const { there, id } = await joined();
    const result = await there.fleet.execute(id, { mode: 'query', code: 'say a\nerr b' }, LONG);
    expect(result).toMatchObject({
      status: 'finished',
      exitCode: 0,
      console: [
        ['stdout', 'a'],
        ['stderr', 'b'],
      ],
    });
    expect(await there.fleet.info(id)).toMatchObject({ id, state: 'running', executions: 1 });
    expect(await there.fleet.languages()).toEqual([{ id: 'python', version: '3.11.2', aliases: ['py'] }]);
  });

  test('that fails there fails here, with its code and words', async () => {
    const { there, id } = await joined();
    const refused = there.fleet.execute(id, { mode: 'continue', code: '', runId: 'no' }, LONG);
    await expect(refused).rejects.toMatchObject({ code: 'run-missing', message: /no execution no/ });
    await expect(there.fleet.create(specOf({ language: 'cobol' }))).rejects.toMatchObject({ code: 'language-missing' });
    await expect(there.fleet.create(specOf({ idleTimeoutMs: -1 }))).rejects.toMatchObject({ problems: { length: 1 } });
  });

  test('takes bytes there and back as they are', async () => {
    const { there, id } = await joined();
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, at) => at % 256));
    await there.fleet.upload(id, 'ä.bin', bytes);
    expect(Buffer.compare(Buffer.from(await there.fleet.download(id, 'ä.bin')), bytes)).toBe(0);
    expect(await there.fleet.files(id, '.')).toMatchObject([{ filename: 'ä.bin', size: 70_000 }]);
  });

  test('that is too large to be sent is refused, and the link stays', async () => {
    const { there, here, id } = await joined();
    const large = Buffer.alloc(70_000_000);
    await expect(there.fleet.upload(id, 'a', large)).rejects.toMatchObject({ code: 'session-invalid' });
    await here.host.upload(id, 'b', large);
    await expect(there.fleet.download(id, 'b')).rejects.toThrow(/70000\d+ bytes are too many/);
    expect(await there.fleet.files(id, '.')).toMatchObject([{ filename: 'b' }]);
  });

  test('that nobody waits for any more hands nothing out', async () => {
    const { there, id } = await joined();
    const gone = new AbortController();
    const asked = there.fleet.execute(id, { mode: 'query', code: 'say a\nwait', runId: 'r' }, LONG, gone.signal);
    await expect.poll(async () => (await there.fleet.info(id)).runId).toBe('r');
    gone.abort(new Error('gone'));
    await expect(asked).rejects.toThrow('gone');
    const rest = await there.fleet.execute(id, { mode: 'continue', code: '', runId: 'r' }, 10);
    expect(rest).toMatchObject({ status: 'continued', console: [['stdout', 'a']] });
  });
});

describe('a stream', () => {
  test('is heard bit by bit, and takes input', async () => {
    const { there, id } = await joined();
    const frames: ExecuteResult[] = [];
    const stream = await there.fleet.stream(id, { mode: 'query', code: 'say a\nask\nsay b' }, (frame) => {
      frames.push(frame);
      return true;
    });
    await expect.poll(() => frames.at(-1)?.status).toBe('waiting-input');
    stream.input('x');
    await stream.done;
    expect(frames.at(-1)).toMatchObject({ status: 'finished', runId: stream.runId, console: [['stdout', 'xb']] });
  });

  test('waits for who has enough, at the agent', async () => {
    const { there, id } = await joined();
    const code = Array.from({ length: 14 }, () => 'much 500000').join('\n');
    const frames: ExecuteResult[] = [];
    const stream = await there.fleet.stream(id, { mode: 'query', code }, (frame) => frames.push(frame) < 0);
    await expect.poll(() => frames.length).toBe(8);
    await there.fleet.info(id);
    expect(frames.length).toBe(8);
    while (frames.at(-1)?.status !== 'finished') {
      stream.goOn();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await stream.done;
    expect(frames.flatMap(({ console }) => console).reduce((sum, [, said]) => sum + said.length, 0)).toBe(7_000_000);
  });

  test('of a session that there is not fails', async () => {
    const { there, id } = await joined();
    const stream = await there.fleet.stream(id, { mode: 'continue', code: '', runId: 'no' }, () => true);
    await expect(stream.done).rejects.toMatchObject({ code: 'run-missing' });
  });

  test('of a terminal goes both ways', async () => {
    const { there, id } = await joined();
    const pty = await there.fleet.pty(id, { rows: 24, columns: 80 });
    let shown = '';
    pty.onData((bytes) => {
      shown += bytes.toString();
    });
    await there.fleet.info(id);
    pty.write(Buffer.from('ls\n'));
    pty.resize({ rows: 30, columns: 100 });
    await expect.poll(() => shown).toBe('ls\n30x100');
    pty.close();
    expect(await pty.ended).toBe(129);
  });

  test('of a terminal that can not be had fails', async () => {
    const { there, here, id } = await joined();
    here.kernels[0]!.pty = () => Promise.reject(new Failure('sandbox-failed', 'no terminals left'));
    const refused = there.fleet.pty(id, { rows: 24, columns: 80 });
    await expect(refused).rejects.toMatchObject({ code: 'sandbox-failed', message: 'no terminals left' });
  });
});

describe('an agent', () => {
  test('with a wrong token is refused, and says so once', async () => {
    const there = await gateway();
    const { said } = agent(there.port, { token: 'another' });
    await expect.poll(() => said).toEqual([expect.stringContaining('401')]);
    expect(there.fleet.agents()).toEqual([]);
  });

  test('that gives two calls the same number is not talked to any more', async () => {
    const there = await gateway();
    const socket = new WebSocket(`ws://127.0.0.1:${there.port}${LINK_PATH}`, {
      headers: { Authorization: `Bearer ${TOKEN}` },
    });
    closers.push(() => socket.terminate());
    await new Promise((resolve) => socket.once('open', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    for (const method of ['first', 'second']) socket.send(JSON.stringify(['call', 1, method, []]));
    expect(await closed).toBe(CLOSE_CODES.protocol);
  });

  test('gets the next session if it has the fewest; a full one gets none', async () => {
    const there = await gateway();
    agent(there.port, { id: 'a', sessionsMax: 2 });
    agent(there.port, { id: 'b', sessionsMax: 2 });
    await expect.poll(() => alive(there)).toHaveLength(2);
    const homes: (string | undefined)[] = [];
    for (let made = 0; made < 4; made += 1) homes.push(there.fleet.agentOf((await there.fleet.create(specOf())).id));
    expect(homes.sort()).toEqual(['a', 'a', 'b', 'b']);
    await expect(there.fleet.create(specOf())).rejects.toMatchObject({ code: 'sessions-full' });
  });

  test('is waited for when its link has ended: sessions go on', async () => {
    const { there, here, id } = await joined();
    const running = there.fleet.execute(id, { mode: 'query', code: 'say a\nask', runId: 'r' }, 10);
    expect((await running).status).toBe('waiting-input');
    there.door.close();
    await there.kill();
    const next = await gateway(there.port);
    next.fleet.adopt([{ id, agent: 'a', facts: await here.host.info(id) }]);
    await expect.poll(() => alive(next)).toHaveLength(1);
    const result = await next.fleet.execute(id, { mode: 'input', code: 'back', runId: 'r' }, LONG);
    expect(result).toMatchObject({ status: 'finished', console: [['stdout', 'back']] });
  });

  test('ends what nobody knows, and is told what it has no more', async () => {
    const { there, here, id } = await joined();
    const facts = await here.host.info(id);
    await there.kill();
    const next = await gateway(there.port);
    next.fleet.adopt([{ id: 'another', agent: 'a', facts: { ...facts, id: 'another' } }]);
    await expect
      .poll(() => next.events)
      .toMatchObject([{ kind: 'ended', session: 'another', facts: { ending: { reason: 'sandbox-lost' } } }]);
    await expect.poll(() => here.host.size).toBe(0);
    await expect(next.fleet.info(id)).rejects.toMatchObject({ code: 'session-missing' });
  });

  test('ends what it was making when its gateway went, and tells it to nobody', async () => {
    const there = await gateway();
    const packages = deferred<void>();
    const here = agent(there.port, { obtain: () => packages.promise });
    await expect.poll(() => alive(there)).toHaveLength(1);
    const making = there.fleet.create(specOf({ requirements: 'large' }));
    await expect.poll(() => here.host.size).toBe(1);
    await Promise.all([there.kill(), expect(making).rejects.toMatchObject({ code: 'unreachable' })]);
    const next = await gateway(there.port);
    await expect.poll(() => alive(next)).toHaveLength(1);
    packages.resolve();
    await expect.poll(() => here.kernels.length).toBe(1);
    await expect.poll(() => here.host.size).toBe(0);
  });

  test('tells of what has ended while nobody listened', async () => {
    const { there, here, id } = await joined();
    const facts = await here.host.info(id);
    await there.kill();
    await here.host.destroy(id, 'idle-timeout');
    const next = await gateway(there.port);
    next.fleet.adopt([{ id, agent: 'a', facts }]);
    await expect
      .poll(() => next.events)
      .toMatchObject([{ kind: 'ended', session: id, facts: { ending: { reason: 'idle-timeout' } } }]);
    expect(alive(next)[0]?.sessions).toBe(0);
  });

  test('that stops says so: its sessions have ended at once', async () => {
    const { there, here, id } = await joined();
    await here.host.close();
    await here.agent.close();
    expect(there.events.filter(({ kind }) => kind === 'ended')).toMatchObject([
      { session: id, facts: { ending: { reason: 'agent-termination' } } },
    ]);
    expect(there.fleet.agents()).toEqual([]);
    await expect(there.fleet.create(specOf())).rejects.toMatchObject({ code: 'agent-missing' });
  });

  test('that says nothing for too long is lost with its sessions; when it is back they are ended there', async () => {
    const there = await gateway(0, 4_000);
    const line = await holdable(there.port);
    const here = agent(line.port);
    await expect.poll(() => alive(there)).toHaveLength(1);
    const { id } = await there.fleet.create(specOf());
    const asked = there.fleet.execute(id, { mode: 'query', code: 'wait', runId: 'r' }, LONG);
    line.hold();
    await expect(asked).rejects.toMatchObject({ code: 'unreachable' });
    expect(there.events.at(-1)).toMatchObject({
      kind: 'ended',
      session: id,
      facts: { ending: { reason: 'agent-lost', detail: expect.stringContaining('for 4 s') } },
    });
    expect(there.fleet.agents()).toMatchObject([{ state: 'lost', sessions: 0 }]);
    await expect(there.fleet.execute(id, { mode: 'query', code: '' }, 1)).rejects.toThrow(/has not answered/);
    line.release();
    await expect.poll(() => alive(there)).toHaveLength(1);
    await expect.poll(() => here.host.size).toBe(0);
    expect(there.agentEvents.map(({ kind }) => kind)).toEqual(['joined', 'lost', 'revived']);
  });
});

/** A way to the gateway on which bytes can be held up. */
async function holdable(port: number) {
  const pairs: Socket[] = [];
  let held = false;
  const server = createTcpServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (bytes) => to.write(bytes));
      from.on('close', () => to.destroy());
      from.on('error', () => {});
      pairs.push(from);
      if (held) from.pause();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    for (const socket of pairs) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return {
    port: (server.address() as AddressInfo).port,
    hold: () => {
      held = true;
      for (const socket of pairs) socket.pause();
    },
    release: () => {
      held = false;
      for (const socket of pairs) socket.destroy();
    },
  };
}
