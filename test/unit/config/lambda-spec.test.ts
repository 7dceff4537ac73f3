import { describe, expect, test } from 'vitest';
import { Failure } from '../../../src/config/failure.ts';
import { DEFAULT_TERMS, type LambdaTerms, parseLambdaSpec, tmpMb } from '../../../src/config/lambda-spec.ts';

const TERMS: LambdaTerms = {
  limits: { ...DEFAULT_TERMS.limits, procs: 300 },
  limits_max: { ...DEFAULT_TERMS.limits_max, memory_mb: 512, procs: 100 },
  network_allowed: ['none'],
  packages_allow: [],
  packages_build: 'off',
};

function problems(raw: unknown): readonly string[] {
  const text = typeof raw === 'string' ? raw : JSON.stringify(raw);
  try {
    parseLambdaSpec(text, TERMS);
  } catch (error) {
    expect(error).toBeInstanceOf(Failure);
    expect((error as Failure).code).toBe('lambda-invalid');
    expect((error as Failure).message).toMatch(/^lambda\.json: /);
    return (error as Failure).problems;
  }
  return [];
}

describe('a lambda', () => {
  test.each([undefined, '{}'])('that asks for nothing has what the template gives', (text) => {
    expect(parseLambdaSpec(text, TERMS)).toEqual({
      handler: undefined,
      cors: undefined,
      limits: TERMS.limits,
      network: { mode: 'none' },
      env: {},
      zygote: true,
      isolation: 'instance',
      cancelOnDisconnect: false,
      keepCalls: true,
      async: { retries: 2, backoff_ms: 60_000, max_age_s: 21_600 },
      schedules: [],
    });
  });

  test('has what it asks for, up to the ceilings, and the template has its word on the rest', () => {
    const asked = {
      handler: 'src/index.handler',
      memory_mb: 512,
      timeout_ms: 5,
      network: 'none',
      zygote: false,
      isolation: 'call',
      cancel_on_disconnect: true,
      env: { MODE: 'test', MODEL_PATH: '/handler/m' },
      async: { retries: 0, max_age_s: 60 },
      schedules: [
        { cron: '*/5 * * * *' },
        { name: 'nightly', cron: '0 3 * * *', timezone: 'Europe/Berlin', event: { a: 1 }, missed: 'all' },
      ],
    };
    expect(parseLambdaSpec(JSON.stringify(asked), TERMS)).toEqual({
      handler: { text: 'src/index.handler', module: 'src/index', attribute: 'handler' },
      cors: undefined,
      limits: { ...TERMS.limits, memory_mb: 512, timeout_ms: 5 },
      network: { mode: 'none' },
      env: asked.env,
      zygote: false,
      isolation: 'call',
      cancelOnDisconnect: true,
      keepCalls: true,
      async: { retries: 0, backoff_ms: 60_000, max_age_s: 60 },
      schedules: [
        { name: '*/5 * * * *', cron: '*/5 * * * *', timezone: 'UTC', event: undefined, missed: 'once' },
        { name: 'nightly', cron: '0 3 * * *', timezone: 'Europe/Berlin', event: '{"a":1}', missed: 'all' },
      ],
    });
  });

  test.each([
    [7, /^schedules: 7 is not a list/],
    [[7], /^schedules\[0\]: 7 is not a JSON object/],
    [[{}], /^schedules\[0\]\.cron: undefined is not five fields/],
    [[{ cron: '61 * * * *' }], /^schedules\[0\]\.cron: "61 \* \* \* \*": .*61/],
    [[{ cron: '2027-01-01T00:00:00' }], /^schedules\[0\]\.cron: "2027-01-01T00:00:00" is not five fields/],
    [[{ cron: '* * * * * * 2020' }], /^schedules\[0\]\.cron: /],
    [[{ cron: '@often' }], /^schedules\[0\]\.cron: /],
    [[{ cron: '@daily', timezone: 'Mars' }], /^schedules\[0\]\.timezone: "Mars" is no time zone/],
    [[{ cron: '@daily', missed: 'twice' }], /^schedules\[0\]\.missed: "twice" is not one of/],
    [[{ cron: '@daily', name: 'a b' }], /^schedules\[0\]\.name: "a b" is not/],
    [[{ cron: '@daily', tz: 'UTC' }], /^schedules\[0\]\.tz: there is no such key/],
    [[{ cron: '@daily' }, { cron: '@daily' }], /^schedules: two have the name "@daily"/],
    [Array(17).fill({ cron: '@daily' }), /^schedules: there are 17; 16 are allowed/],
  ])('is told what is wrong with its schedules: %j', (schedules, problem) => {
    const parse = () => parseLambdaSpec(JSON.stringify({ schedules }), TERMS);
    expect(parse).toThrow(expect.objectContaining({ problems: [expect.stringMatching(problem)] }));
  });

  test.each([
    [7, /^async: 7 is not a JSON object/],
    [{ retires: 1 }, /^async\.retires: there is no such key; did you mean "retries"\?$/],
    [{ retries: -1 }, /^async\.retries: -1 is not a whole number from 0 to 100/],
    [{ max_age_s: '1' }, /^async\.max_age_s: "1" is not/],
    [{ constructor: 1 }, /^async\.constructor: there is no such key/],
  ])('is told what is wrong with its async: %j', (async, problem) => {
    const parse = () => parseLambdaSpec(JSON.stringify({ async }), TERMS);
    expect(parse).toThrow(expect.objectContaining({ problems: [expect.stringMatching(problem)] }));
  });

  test.each([
    ['lambda_function.lambda_handler', 'lambda_function', 'lambda_handler'],
    ['pkg.sub.mod.f', 'pkg/sub/mod', 'f'],
    ['main:app', 'main', 'app'],
  ])('names its handler %s', (handler, module, attribute) => {
    expect(parseLambdaSpec(JSON.stringify({ handler }), TERMS).handler).toEqual({ text: handler, module, attribute });
  });

  test.each(['', 'main', '.f', 'a..f', '../a.f', '/a.f', 'a/.f', 'a.b-c', 'a b.c', 7, null, `${'a'.repeat(127)}.f`])(
    'is told what a handler’s name is, not %j',
    (handler) => {
      expect(problems({ handler })).toEqual([expect.stringMatching(/^handler: .* is not a module and a name in it/)]);
    },
  );

  test('may have what the template gives to all, even if the ceiling is lower', () => {
    expect(problems({ procs: 300 })).toEqual([]);
    expect(problems({ procs: 301 })).toEqual([
      'procs: 301 is more than this cluster allows (limits_max.procs is 300; `admin setconf \'{"limits_max": {"procs": 301}}\'` allows it)',
    ]);
  });

  test('is told all its problems at once', () => {
    const found = problems({ memory: 64, timeout_ms: '5', memory_mb: 4096, env: { PATH: '/x', OK: 1 }, network: 'x' });
    expect(found).toHaveLength(6);
    expect(found).toContain('"memory": there is no such key; did you mean "memory_mb"?');
    expect(found.join()).toContain('memory_mb: 4096 is more than this cluster allows (limits_max.memory_mb is 512; ');
  });

  test('with a thousand problems gets a message that can be read', () => {
    const raw = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`no${index}`, 1]));
    expect(() => parseLambdaSpec(JSON.stringify(raw), TERMS)).toThrow(/and 988 more$/);
  });
});

test.each([
  ['no JSON', '{', /^it is not JSON: /],
  ['a list', [], /^\[\] is not a JSON object/],
  ['a misspelled key', { timeuot_ms: 5 }, /did you mean "timeout_ms"/],
  ['a prototype', '{"__proto__": {"memory_mb": 1}}', /^"__proto__": there is no such key$/],
  ['a wrong type', { procs: '5' }, /^procs: "5" is not a whole number from 1 to/],
  ['a zygote of its own', { zygote: 'own' }, /^zygote: "own" is neither true nor false$/],
  ['null', { memory_mb: null }, /^memory_mb: null is not/],
  ['none', { concurrency: 0 }, /^concurrency: 0 is not .*\(instances\)$/],
  ['too little', { memory_mb: 1 }, /^memory_mb: 1 is not .*a bare Python needs/],
  ['a /tmp of more than a quarter of memory', { memory_mb: 64, tmp_mb: 17 }, /^tmp_mb: 17 is more than a quarter/],
  [
    'the outside',
    { network: 'outbound' },
    /^network: "outbound" is not allowed here \(network_allowed is \["none"\]; `admin setconf '\{"network_allowed":\["none","outbound"\]\}'` allows it\)$/,
  ],
  [
    "the host's network",
    { network: 'host' },
    /^network: "host" is not allowed here \(network_allowed is \["none"\]; `admin setconf '\{"network_allowed":\["none","host"\]\}'` allows it\)$/,
  ],
  ['an unknown network', { network: null }, /^network: null is not one of "none", "outbound", "host"$/],
  ['an environment that is none', { env: 'A=b' }, /^env: "A=b" is not a JSON object/],
  ['a number in it', { env: { A: 1 } }, /^env\.A: 1 is not a string$/],
  ['an unknown isolation', { isolation: 'process' }, /^isolation: "process" is not one of "instance", "call"$/],
  ['no isolation at all', { isolation: null }, /^isolation: null is not one of/],
  ['a word for a flag', { cancel_on_disconnect: 'yes' }, /^cancel_on_disconnect: "yes" is neither true nor false$/],
  ['half a character in it', '{"env": {"A": "\\ud800"}}', /^env\.A: a value may not hold NUL or half a character$/],
  ['a NUL in it', { env: { A: 'x\0' } }, /^env\.A: a value may not hold NUL/],
  ['a name with an equals sign', { env: { 'A=B': 'x' } }, /^env\.A=B: a name is made of/],
  ['too much of it', { env: { A: 'x'.repeat(4096) } }, /^env: its names and values have 4097 bytes; 4096 are allowed$/],
])('%s is refused', (_what, raw, complaint) => {
  expect(problems(raw)).toEqual([expect.stringMatching(complaint)]);
});

test.each(['PATH', 'LD_PRELOAD', 'PYTHONPATH', 'AWS_LAMBDA_FUNCTION_NAME', 'LAMBDA_TASK_ROOT', 'HOME'])(
  'the variable %s is reserved',
  (name) => {
    expect(problems({ env: { [name]: 'x' } })).toEqual([`env.${name}: this name is reserved`]);
  },
);

test('/tmp gives way to a smaller memory', () => {
  expect(tmpMb({ ...TERMS.limits, tmp_mb: 32, memory_mb: 256 })).toBe(32);
  expect(tmpMb({ ...TERMS.limits, tmp_mb: 32, memory_mb: 64 })).toBe(16);
});

describe('the network of a lambda', () => {
  const terms: LambdaTerms = { ...TERMS, network_allowed: ['none', 'outbound', 'host'] };
  const networkOf = (raw: unknown) => parseLambdaSpec(JSON.stringify(raw), terms).network;

  test('is none, or outbound where that is allowed', () => {
    expect(networkOf({})).toEqual({ mode: 'none' });
    expect(networkOf({ network: 'outbound' })).toEqual({ mode: 'outbound', egress: null });
  });

  test("is the host's only where just that is allowed", () => {
    const read = (allowed: LambdaTerms['network_allowed']) =>
      parseLambdaSpec('{"network": "host"}', { ...TERMS, network_allowed: allowed }).network;
    expect(read(['none', 'host'])).toEqual({ mode: 'host' });
    expect(() => read(['none', 'outbound'])).toThrow(/network: "host" is not allowed here/);
  });

  test('is narrowed by names with ports, in whatever case they are written', () => {
    const egress = ['api.example.com:443', '*.CDN.example.com:8443', 'xn--bcher-kva.example:443', 'localhost:1'];
    expect(networkOf({ network: 'outbound', egress })).toEqual({
      mode: 'outbound',
      egress: [
        ['api.example.com', 443],
        ['*.cdn.example.com', 8443],
        ['xn--bcher-kva.example', 443],
        ['localhost', 1],
      ],
    });
  });

  test.each([
    [{ egress: ['a.example:443'] }, /^egress: it narrows "network": "outbound", and no network is asked for$/],
    [{ network: 'none', egress: ['a.example:443'] }, /^egress: it narrows .* and the network is "none"$/],
    [{ network: 'host', egress: ['a.example:443'] }, /^egress: it narrows .* and the network is "host"$/],
    [{ egress: 'a.example:443' }, /^egress: "a.example:443" is not a list such as/],
    [{ egress: null }, /^egress: null is not a list/],
    [{ egress: [] }, /^egress: an empty list lets nothing through/],
    [{ egress: Array.from({ length: 65 }, () => 'a.example:1') }, /^egress: it has 65 entries; 64 are allowed$/],
    [{ egress: ['a.example'] }, /^egress: "a.example" names no port/],
    [{ egress: [443] }, /^egress: 443 is not a string/],
    [{ egress: ['a.example:0'] }, /names no port from 1 to 65535$/],
    [{ egress: ['a.example:65536'] }, /names no port from 1 to 65535$/],
    [{ egress: ['203.0.113.5:443'] }, /is an address; the list is one of names$/],
    [{ egress: ['[2001:db8::1]:443'] }, /is an address/],
    [{ egress: ['https://a.example:443'] }, /is an address|is not a host name/],
    [{ egress: ['a..example:443'] }, /is not a host name/],
    [{ egress: ['-a.example:443'] }, /is not a host name/],
    [{ egress: ['bücher.example:443'] }, /is not a host name/],
    [{ egress: [`${'a'.repeat(64)}.example:443`] }, /is not a host name/],
    [{ egress: ['*:443'] }, /is not a host name/],
    [{ egress: ['*.com:443'] }, /is too wide/],
    [{ egress: ['a.*.example.com:443'] }, /is not a host name/],
    [{ egress: ['a*.example.com:443'] }, /is not a host name/],
  ])('%j is refused', (raw, complaint) => {
    const wrong = { network: 'outbound', ...raw };
    const asked = 'network' in raw || complaint.source.includes('narrows') ? raw : wrong;
    try {
      networkOf(asked);
    } catch (error) {
      expect((error as Failure).problems).toContainEqual(expect.stringMatching(complaint));
      return;
    }
    expect.unreachable();
  });
});
