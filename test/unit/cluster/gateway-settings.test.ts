import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { readGatewaySettings } from '../../../src/cluster/gateway-settings.ts';
import { Failure } from '../../../src/config/failure.ts';
import { scratchDir } from '../scratch-dir.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(scratchDir(), 'isla-settings-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
});

/** A directory of its own for each place, with nothing in it. */
function places() {
  const [cwd, home, systemDir] = ['here', 'home', 'system'].map((name) => join(dir, name)) as [string, string, string];
  const user = join(home, '.config', 'backend.ai');
  for (const place of [cwd, user, systemDir]) mkdirSync(place, { recursive: true });
  return { cwd, user, systemDir, order: { flags: {}, env: { HOME: home }, cwd, systemDir } };
}

const put = (place: string, text: string) => writeFileSync(join(place, 'manager.toml'), text);
const port = (number: number) => `[manager.service-addr]\nport = ${number}\n`;

function problemsOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof Failure) return [error.message, ...error.problems].join('\n');
    throw error;
  }
  throw new Error('it was taken');
}

describe('the file', () => {
  it('is the first that there is of the three places, and no other one counts', () => {
    const { cwd, user, systemDir, order } = places();
    expect(readGatewaySettings(order)).toMatchObject({ file: undefined, settings: { port: undefined } });
    put(systemDir, port(3));
    expect(readGatewaySettings(order)).toMatchObject({ file: join(systemDir, 'manager.toml'), settings: { port: 3 } });
    put(user, port(2));
    expect(readGatewaySettings(order)).toMatchObject({ file: join(user, 'manager.toml'), settings: { port: 2 } });
    put(cwd, '[logging]\nlevel = "DEBUG"\n');
    expect(readGatewaySettings(order).settings).toMatchObject({ port: undefined, logLevel: 'debug' });
  });

  it('is the one that is named, by flag before environment, or it is said that there is none', () => {
    const { cwd, order } = places();
    put(cwd, port(1));
    for (const number of [4, 5]) writeFileSync(join(dir, `${number}.toml`), port(number));
    const env = { ...order.env, ISLA_GATEWAY_CONFIG: join(dir, '4.toml') };
    expect(readGatewaySettings({ ...order, env }).settings.port).toBe(4);
    expect(readGatewaySettings({ ...order, env, flags: { config: '../5.toml' } }).settings.port).toBe(5);
    expect(problemsOf(() => readGatewaySettings({ ...order, flags: { config: 'none.toml' } }))).toContain('none.toml');
  });

  it('may be one of Backend.AI, of which the rest is named', () => {
    const { cwd, order } = places();
    put(
      cwd,
      [
        '[etcd]\nnamespace = "local"',
        '[manager]\nnum-proc = 4\nheartbeat-timeout = 10.0\nservice-addr = { host = "127.0.0.1", port = 8081 }',
        '[logging]\nlevel = "INFO"\ndrivers = ["console"]\n[debug]\nenabled = true\n',
      ].join('\n'),
    );
    const { settings, warnings } = readGatewaySettings(order);
    expect(settings).toEqual({ host: '127.0.0.1', port: 8_081, logLevel: 'debug', heartbeatTimeoutS: 10 });
    expect(warnings).toEqual([expect.stringMatching(/: etcd, manager\.num-proc, logging\.drivers$/)]);
  });
});

describe('each setting', () => {
  const FILE = [
    '[manager]\nheartbeat-timeout = 20\nservice-addr = { host = "1.1.1.1", port = 1 }',
    '[logging]\nlevel = "WARNING"\n',
  ].join('\n');

  it.each([
    ['host', { host: '3.3.3.3' }, { ISLA_GATEWAY_HOST: '2.2.2.2' }, ['3.3.3.3', '2.2.2.2', '1.1.1.1']],
    ['host', {}, { BACKEND_SERVICE_IP: '2.2.2.2' }, ['2.2.2.2', '2.2.2.2', '1.1.1.1']],
    ['port', { port: 3 }, { ISLA_GATEWAY_PORT: '2' }, [3, 2, 1]],
    ['port', {}, { BACKEND_SERVICE_PORT: '2' }, [2, 2, 1]],
    ['logLevel', { logLevel: 'trace' }, { ISLA_GATEWAY_LOG_LEVEL: 'error' }, ['trace', 'error', 'warn']],
    ['heartbeatTimeoutS', { heartbeatTimeout: 40 }, { ISLA_GATEWAY_HEARTBEAT_TIMEOUT: '30.5' }, [40, 30.5, 20]],
  ] as const)('%s is that of the flag, else of the environment, else of the file', (name, flags, env, expected) => {
    const { cwd, order } = places();
    put(cwd, FILE);
    const read = (more: object) => readGatewaySettings({ ...order, ...more }).settings[name];
    const both = { ...order.env, ...env };
    expect([read({ flags, env: both }), read({ env: both }), read({})]).toEqual(expected);
  });

  it.each([
    ['[manager]\nheartbeat-timeout = 1', {}, 'manager.heartbeat-timeout is no number of seconds from 4 to 3600'],
    ['[manager.service-addr]\nport = 70000\nhost = 1', {}, 'manager.service-addr.port'],
    ['[logging]\nlevel = "LOUD"', {}, 'logging.level is "LOUD"'],
    ['not = [toml', {}, 'is not TOML'],
    ['', { ISLA_GATEWAY_HEARTBEAT_TIMEOUT: 'soon' }, 'ISLA_GATEWAY_HEARTBEAT_TIMEOUT is no number'],
    ['', { ISLA_GATEWAY_PORT: 'x' }, 'ISLA_GATEWAY_PORT is no port'],
  ])('that is wrong is named: %j', (text, env, said) => {
    const { cwd, order } = places();
    put(cwd, text);
    expect(problemsOf(() => readGatewaySettings({ ...order, env: { ...order.env, ...env } }))).toContain(said);
  });
});
