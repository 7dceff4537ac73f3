import { describe, expect, test } from 'vitest';
import { Failure } from '../../../src/config/failure.ts';
import { everyField } from '../../../src/config/fields.ts';
import { defaultSettings, type Origin, parseSettings, parseWorkerSettings } from '../../../src/config/parse.ts';

const ORIGIN: Origin = { name: 'template.json', dir: '/c/config', rootDir: '/c' };

function problems(raw: unknown, parse: (raw: unknown, origin: Origin) => unknown = parseSettings): readonly string[] {
  try {
    parse(raw, ORIGIN);
  } catch (error) {
    expect(error).toBeInstanceOf(Failure);
    expect((error as Failure).code).toBe('config-invalid');
    return (error as Failure).problems;
  }
  return [];
}

describe('settings', () => {
  test('that are missing have their defaults, with absolute paths', () => {
    expect(parseSettings({}, ORIGIN)).toEqual(defaultSettings('/c'));
    expect(defaultSettings('/c')).toMatchObject({
      registry: 'local',
      sandbox: 'sock',
      registry_dir: '/c/registry',
      base: 'host',
      base_dir: '/c/base',
      pool_size: 4,
      limits: { timeout_ms: 30_000, memory_mb: 256, concurrency: 8 },
    });
  });

  test('that are given as relative paths start where the origin says', () => {
    const { registry_dir, base, python } = parseSettings(
      { registry_dir: 'code', base: '../b.tar', python: 'p' },
      ORIGIN,
    );
    expect([registry_dir, base, python]).toEqual(['/c/config/code', '/c/b.tar', '/c/config/p']);
  });

  test('come out of the parser as they went in', () => {
    const settings = defaultSettings('/c');
    expect(parseSettings(JSON.parse(JSON.stringify(settings)), ORIGIN)).toEqual(settings);
  });

  test('are refused with all problems at once', () => {
    const found = problems({ pool_sice: 8, event_kb: 1.5, log_level: 'loud', limits: { memory_mb: '5', prcs: 3 } });
    expect(found).toHaveLength(5);
    expect(found).toContain('pool_sice: there is no such setting; did you mean "pool_size"?');
    expect(found).toContain('limits.prcs: there is no such setting; did you mean "limits.procs"?');
  });

  test.each([
    ['a wrong type', { pool_size: '8' }, /^pool_size: "8" is not a whole number from 0 to 1000 \(sandboxes\)$/],
    ['a value out of range', { limits: { memory_mb: 1 } }, /^limits\.memory_mb: 1 is not .*: a bare Python needs/],
    [
      'a wait too short for a cold start',
      { queue_wait_ms: 99 },
      /^queue_wait_ms: 99 is not .* from 100 .*: a cold start is waiting too/,
    ],
    ['a /tmp of size 0', { limits: { tmp_mb: 0 } }, /^limits\.tmp_mb: 0 is not .* to the kernel 0 is no limit$/],
    ['null', { pool_size: null }, /^pool_size: null is not/],
    ['an unsafe integer', { queue_max: 1e300 }, /^queue_max: 1e\+300 is not/],
    ['a list', [], /^\[\] is not a JSON object/],
    ['a ceiling that is none', { limits_max: { memory_gb: 1 } }, /^limits_max\.memory_gb: .*"limits_max\.memory_mb"/],
    [
      'a network that there is not',
      { network_allowed: ['none', 'bridge'] },
      /^network_allowed: .*"bridge".* is not a list/,
    ],
    [
      'networks that are none',
      { network_allowed: 'none' },
      /^network_allowed: "none" is not a list of "none", "outbound", "host"$/,
    ],
    ['limits that are none', { limits: 5 }, /^limits: 5 is not a JSON object/],
    ['an empty directory', { registry_dir: '' }, /^registry_dir: "" is not/],
    ['a path with a NUL', { base: 'a\0b' }, /^base: .* is not a path/],
    ['an address with blanks', { worker_host: 'a b' }, /^worker_host: "a b" is not an IP address/],
    ['a limit outside its place', { memory_mb: 5 }, /did you mean "limits.memory_mb"/],
    ['an engine that there is not', { sandbox: 'podman' }, /"podman" is not "sock" or "docker"/],
    [
      'an image with a blank',
      { docker: { image: 'python 3' } },
      /docker.image: "python 3" is not the name of an image/,
    ],
    ['an unknown key of the docker engine', { docker: { imgae: 'x' } }, /docker.imgae: .*did you mean "docker.image"/],
    ['docker that is no object', { docker: 'python' }, /docker: "python" is not a JSON object/],
    ['a server that is none', { registry_server: 'ftp://s' }, /^registry_server: "ftp:\/\/s" is not a URL such as/],
    ['a server with a path', { registry_server: 'http://s:1/p' }, /^registry_server: .*without a path$/],
    ['a server with keys in it', { registry_server: 'http://a:b@s:1' }, /^registry_server: /],
    ["OpenLambda's own key", { Pkgs_dir: '/p' }, /^Pkgs_dir: it is "packages_dir" here$/],
    ["OpenLambda's key in its other spelling", { sock_base_path: '/p' }, /^sock_base_path: it is "base" here/],
    ["a worker's own key", { worker_port: '8080' }, /^worker_port: belongs to a single worker/],
    ['a prototype', JSON.parse('{"__proto__": {"pool_size": 1}}'), /^__proto__: there is no such setting$/],
    [
      'uv and sources that are built',
      { packages_resolver: 'uv', packages_build: 'offline' },
      /^packages_resolver: "uv" would run the sources that packages_build \("offline"\) has built/,
    ],
    ['a /tmp as large as the memory', { limits: { tmp_mb: 256 } }, /^limits\.tmp_mb: 256 is not less than/],
  ])('%s is refused', (_name, raw, complaint) => {
    expect(problems(raw)).toEqual([expect.stringMatching(complaint)]);
  });

  test.each(['::1', '0.0.0.0', 'node-1.example.org'])('%s is an address', (worker_host) => {
    expect(problems({ worker_host })).toEqual([]);
  });
});

test.each([
  ['', ''],
  ['127.0.0.1:9000', 'http://127.0.0.1:9000'],
  ['http://s:9000/', 'http://s:9000'],
  ['https://s3.example.org', 'https://s3.example.org'],
])('the server %j is %j', (registry_server, url) => {
  expect(parseSettings({ registry_server }, ORIGIN).registry_server).toBe(url);
});

describe("a worker's own file", () => {
  test.each([
    ['8080', 8080],
    [8080, 8080],
    ['0', 0],
  ])('may hold the port as %j', (worker_port, port) => {
    expect(parseWorkerSettings({ worker_port }, ORIGIN).worker_port).toBe(port);
  });

  test.each(['?', '', '80a', 70_000, '70000', -1, 1.5, null, true])('may not hold the port %j', (worker_port) => {
    expect(problems({ worker_port }, parseWorkerSettings)).toEqual([expect.stringMatching(/^worker_port: /)]);
  });

  test('needs nothing at all', () => {
    const settings = parseWorkerSettings({}, ORIGIN);
    expect(settings).toMatchObject({ worker_port: 8080, worker_dir: '/c/workers/default', pid_file: '' });
  });

  test('has its relative paths start at the file', () => {
    const { worker_dir, pid_file } = parseWorkerSettings({ worker_dir: 'w', pid_file: 'w.pid' }, ORIGIN);
    expect([worker_dir, pid_file]).toEqual(['/c/config/w', '/c/config/w.pid']);
  });

  test('is told of a misspelled port, too', () => {
    expect(problems({ worker_prot: '1' }, parseWorkerSettings)).toEqual([expect.stringMatching(/"worker_port"/)]);
  });
});

test('every field says what it is about and has a legal default', () => {
  for (const [name, field] of everyField()) expect(field.about.length, name).toBeGreaterThan(10);
  const names = everyField().map(([name]) => name);
  expect(names).toEqual(expect.arrayContaining(['pool_size', 'limits.memory_mb', 'limits_max.memory_mb']));
});
