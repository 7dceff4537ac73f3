import { describe, expect, it } from 'vitest';
import { ApiProblem } from '../../../src/gateway/api-problem.ts';
import { apiVersionOf } from '../../../src/gateway/api-version.ts';
import { readByteSize } from '../../../src/gateway/byte-size.ts';
import { readWanted } from '../../../src/gateway/create-params.ts';
import { readExecution } from '../../../src/gateway/execute-routes.ts';
import { Params, readRaw } from '../../../src/gateway/params.ts';

const V4 = apiVersionOf({}, undefined);
const version = (text: string) => apiVersionOf({ 'x-backendai-version': text }, undefined);
const wanted = (raw: object, of = V4) =>
  readWanted(new Params({ clientSessionToken: 'mysess', image: 'python', ...raw }), of);

function titleOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof ApiProblem && error.slug === 'invalid-api-params') return error.title;
    throw error;
  }
  throw new Error('it was taken');
}

describe('parameters', () => {
  it('are those of the body if there is one, whatever the method, else of the query', () => {
    expect(readRaw(Buffer.from('{"a": [1]}'), 'a=2')).toEqual({ a: [1] });
    expect(readRaw(Buffer.alloc(0), 'files=a&files=b&c=%20d')).toEqual({ files: ['a', 'b'], c: ' d' });
    expect(titleOf(() => readRaw(Buffer.from('{'), ''))).toBe(
      'Missing or invalid API parameters. (Malformed request body)',
    );
    expect(titleOf(() => readRaw(Buffer.from('[]'), ''))).toContain('not a JSON object');
  });

  it('are told all that is wrong at once', () => {
    const params = new Params({ n: 'x', list: [1], flag: 'maybe', below: { odd: 1 } });
    params.number('n', { min: 0, max: 9 });
    params.texts('list', 3);
    params.flag('flag');
    params.below('below').refuseUnknown();
    params.requiredText('needed|alias');
    const title = titleOf(() => params.check());
    for (const name of ['n: ', 'list: ', 'flag: ', 'below.odd: ', 'needed: is required']) expect(title).toContain(name);
  });

  it('are told of however deep they are nested', () => {
    const depth = 100_000;
    const deep = readRaw(Buffer.from(`{"a":${'['.repeat(depth)}${']'.repeat(depth)},"o":{"b":1}}`), '');
    const params = new Params(deep);
    params.text('a');
    params.flag('a');
    params.number('o', { min: 0, max: 9 });
    params.below('a');
    expect(titleOf(() => params.check())).toContain(
      '(a: a list is not a text; a: a list is not true or false; o: an object is not a whole number from 0 to 9; ' +
        'a: a list is not an object)',
    );
  });

  it('do not come from prototypes', () => {
    expect(new Params({}).value('constructor|toString')).toBeUndefined();
  });
});

describe('what is wanted of a new session', () => {
  it('has defaults', () => {
    expect(wanted({})).toMatchObject({
      token: 'mysess',
      image: 'python',
      type: 'interactive',
      tag: null,
      enqueueOnly: false,
      maxWaitMs: 0,
      reuseIfExists: true,
      environ: {},
      cpu: undefined,
      memoryBytes: undefined,
    });
  });

  it('is said in the words of all versions', () => {
    const config = { environ: { A: 1 }, resources: { cpu: '2', mem: '256m' }, resource_opts: { shmem: '64m' } };
    expect(
      wanted({ lang: 'lua', image: null, sessionType: 'interactive', groupName: 'default', config }),
    ).toMatchObject({
      image: 'lua',
      environ: { A: '1' },
      cpu: 2,
      memoryBytes: 268_435_456,
    });
    // All that Backend.AI's own client says if nothing is asked of it.
    const nothing = {
      mounts: [],
      mount_map: {},
      environ: null,
      clusterSize: 1,
      resources: {},
      resource_opts: {},
      scalingGroup: null,
    };
    const rest = { type: 'interactive', enqueueOnly: false, maxWaitSeconds: 0, startupCommand: null, tag: null };
    const own = {
      ...rest,
      owner_access_key: null,
      domain: null,
      group: 'default',
      reuseIfExists: true,
      config: nothing,
    };
    expect(wanted(own)).toEqual(wanted({}));
    const old = { instanceMemory: 0.5, instanceCores: 1, instanceGPUs: 0, clusterSize: 1 };
    expect(wanted({ config: old }, version('v4.20190115'))).toMatchObject({ memoryBytes: 536_870_912, cpu: 1 });
    expect(wanted({ config: old }, version('v2.20170315')).cpu).toBe(1);
    expect(wanted({ config: { environ: { A: 'b' } } }, version('v1.20160915')).environ).toEqual({ A: 'b' });
  });

  it.each([
    [{ clientSessionToken: 'abc' }, 'clientSessionToken: '],
    [{ clientSessionToken: '.abcd' }, 'clientSessionToken: '],
    [{ clientSessionToken: 'x'.repeat(65) }, 'clientSessionToken: '],
    [{ image: undefined }, 'image: is required'],
    [{ type: 'batch' }, 'startupCommand: is required'],
    [{ group: 'other' }, 'group: "other" is not there'],
    [{ config: { mounts: ['data'] } }, 'config.mounts: there is no folder "data"'],
    [{ config: { mount_map: { data: '/home/work/data' } } }, 'config.mount_map: there is no folder "data"'],
    [{ config: { resources: { mem: 'much' } } }, 'config.resources.mem: "much" is not a size'],
    [{ config: { resources: { 'cuda.device': 1 } } }, 'config.resources.cuda.device: is not known'],
    [{ config: { instanceCores: 1 } }, 'config.instanceCores: is not known'],
    [{ config: { environ: { 'A=B': '' } } }, 'config.environ: "A=B" is no name'],
    [{ config: { environ: { A: '\ud800' } } }, 'config.environ: a value has a zero byte, or half a character'],
    [{ type: 'batch', startupCommand: 'echo \0' }, 'startupCommand: '],
    [{ config: { network: 'all' } }, 'config.network: '],
    [{ config: 'big' }, 'config: "big" is not an object'],
  ])('%j is refused', (raw, problem) => {
    expect(titleOf(() => wanted(raw))).toContain(problem);
  });
});

describe('an execution', () => {
  const execution = (raw: object, of = V4) => readExecution(new Params(raw as Record<string, unknown>), of);

  it('is a query in the first version, and says its mode later', () => {
    expect(execution({ code: '1' }, version('v1.20160915')).mode).toBe('query');
    expect(titleOf(() => execution({ code: '1' }))).toContain('mode: is required');
    expect(titleOf(() => execution({ mode: 'continue', code: '', runId: null }))).toContain('runId: is required');
    expect(titleOf(() => execution({ mode: 'sing', code: '' }))).toContain('mode: ');
  });

  it('of a batch skips what is empty, and takes the options of old clients', () => {
    const opts = { build: '*', exec: null, buildLog: true };
    expect(execution({ mode: 'batch', code: null, runId: 'r', opts })).toEqual({
      mode: 'batch',
      code: '',
      runId: 'r',
      options: { clean: '', build: '*', exec: '' },
    });
  });
});

describe('a size', () => {
  it.each([
    ['256m', 268_435_456],
    ['1g', 1_073_741_824],
    ['1.5 GiB', 1_610_612_736],
    ['100', 100],
    [100, 100],
    ['10kb', 10_240],
  ])('%j has %i bytes', (text, bytes) => expect(readByteSize(text)).toBe(bytes));

  it.each(['', 'm', '-1', '1x', 'inf', Number.NaN])('%j is none', (text) => expect(readByteSize(text)).toBeUndefined());
});
