import { describe, expect, test } from 'vitest';
import { Failure } from '../../../src/config/failure.ts';
import { DEFAULT_TERMS } from '../../../src/config/lambda-spec.ts';
import {
  changed,
  documentIn,
  type FunctionDocument,
  newDocument,
  numbersOf,
  recordOf,
  withAlias,
  withoutAlias,
  withoutVersion,
  withPublished,
} from '../../../src/registry/function-document.ts';
import type { LambdaName } from '../../../src/registry/source.ts';

const fresh = () => newDocument({ code: 'a', facts: { codeSha256: 'sum' }, wishes: {}, own: {}, modifiedMs: 1 });

function published(times: number): FunctionDocument {
  let document = fresh();
  for (let at = 1; at <= times; at += 1) {
    document = withPublished(changed(document, { code: `code${at}` }), {}).document;
  }
  return document;
}

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof Failure) return error.code;
  }
  return 'not refused';
}

describe('publishing', () => {
  test('gives each code one number, and none twice', () => {
    const one = withPublished(fresh(), {});
    expect([one.number, withPublished(one.document, { description: 'again' }).number]).toEqual(['1', '1']);
    const two = withPublished(changed(one.document, { code: 'b' }), { description: 'the second' });
    expect([two.number, two.document.versions['2']?.facts.description]).toEqual(['2', 'the second']);
    const three = withPublished(changed(withoutVersion(two.document, '2'), { code: 'c' }), {});
    expect([three.number, numbersOf(three.document)]).toEqual(['3', ['1', '3']]);
  });

  test('orders by number, not by letter', () => {
    expect(numbersOf(published(11)).at(-1)).toBe('11');
  });

  test('goes back to code that was a version before with a new number', () => {
    const { document } = withPublished(changed(published(2), { code: 'code1' }), {});
    expect(numbersOf(document)).toEqual(['1', '2', '3']);
  });

  test('asks whether it is still what its caller has seen', () => {
    const document = fresh();
    expect(refusal(() => withPublished(document, { revision: 'old' }))).toBe('revision-old');
    expect(refusal(() => withPublished(document, { codeSha256: 'other' }))).toBe('lambda-invalid');
    expect(withPublished(document, { revision: document.revision, codeSha256: 'sum' }).number).toBe('1');
  });
});

describe('aliases', () => {
  test('lead to what is there, and hold it', () => {
    const { document } = withAlias(published(2), 'prod', { version: '1', also: { version: '2', weight: 0.1 } });
    for (const version of ['1', '2']) expect(refusal(() => withoutVersion(document, version))).toBe('conflict');
    expect(numbersOf(withoutVersion(withoutAlias(document, 'prod'), '1'))).toEqual(['2']);
    expect(refusal(() => withAlias(document, 'x', { version: '3' }))).toBe('lambda-missing');
    expect(refusal(() => withAlias(document, 'x', { version: 'constructor' }))).toBe('lambda-missing');
  });

  test('keep what is not changed', () => {
    const made = withAlias(published(2), 'prod', {
      version: '1',
      description: 'd',
      also: { version: '2', weight: 0.1 },
    });
    const moved = withAlias(made.document, 'prod', { description: 'e', revision: made.alias.revision });
    expect(moved.alias).toMatchObject({ version: '1', description: 'e', also: { version: '2', weight: 0.1 } });
    expect(moved.alias.revision).not.toBe(made.alias.revision);
    expect(withAlias(moved.document, 'prod', { also: null }).alias).not.toHaveProperty('also');
    expect(refusal(() => withAlias(moved.document, 'prod', { revision: made.alias.revision }))).toBe('revision-old');
  });

  test('share between two versions that were published, and two only', () => {
    const document = published(2);
    const also = (version: string) => ({ version, weight: 0.5 });
    expect(refusal(() => withAlias(document, 'x', { version: '$LATEST', also: also('1') }))).toBe('lambda-invalid');
    expect(refusal(() => withAlias(document, 'x', { version: '1', also: also('1') }))).toBe('lambda-invalid');
    expect(refusal(() => withAlias(document, 'x', { version: '1', also: also('$LATEST') }))).toBe('lambda-invalid');
  });

  test('may be called like what objects have from birth', () => {
    const { document, alias } = withAlias(published(1), '__proto__', { version: '1' });
    const read = documentIn(JSON.stringify(document)) as FunctionDocument;
    expect(Object.entries(read.aliases)).toEqual([['__proto__', alias]]);
    expect(Object.keys(withoutAlias(read, '__proto__').aliases)).toEqual([]);
  });
});

test('a document of an older program has no versions, and a record of none', () => {
  const document = documentIn('{"facts": {"role": "r"}, "wishes": {"memory_mb": 200}, "own": {}}') as FunctionDocument;
  const name = 'old' as LambdaName;
  expect(recordOf(name, document, { version: '1', terms: DEFAULT_TERMS })).toBeUndefined();
  const record = recordOf(name, document, { version: undefined, terms: DEFAULT_TERMS });
  expect(record).toMatchObject({ facts: { role: 'r' }, spec: { limits: { memory_mb: 200 } } });
});
