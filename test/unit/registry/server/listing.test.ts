import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Listing, listObjects, successor } from '../../../../src/registry/server/listing.ts';
import { Served } from './served.ts';

let served: Served;
/** Letters that sort otherwise as UTF-16, a noncharacter, and what delimits. */
const LETTERS = ['a', 'b', '/', '-', '\u{1F600}', '\uFFFF', '\u00E9'];
const keys: string[] = [];

beforeAll(async () => {
  served = await Served.start();
  const { store } = served;
  for (let at = 0; at < 120; at += 1) {
    const length = 1 + (at % 6);
    const key = Array.from(
      { length },
      (_, place) => LETTERS[(at * 31 + place * place * 7 + at * place) % LETTERS.length],
    );
    if (!keys.includes(key.join(''))) keys.push(key.join(''));
  }
  keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  await store.change(() => {
    store.objects.addBlob('00', 0);
    for (const key of keys) {
      store.objects.put({ bucket: 'registry', key, blob: '00', etag: '', modifiedMs: 0, headers: {} });
    }
  });
});
afterAll(() => served.dispose());

/** By definition, over all keys. */
function expected(prefix: string, delimiter: string): { keys: string[]; folded: string[] } {
  const found = { keys: [] as string[], folded: [] as string[] };
  for (const key of keys.filter((one) => one.startsWith(prefix))) {
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    if (at === -1) found.keys.push(key);
    else if (found.folded.at(-1) !== key.slice(0, at + delimiter.length)) {
      found.folded.push(key.slice(0, at + delimiter.length));
    }
  }
  return found;
}

function paged(prefix: string, delimiter: string, max: number) {
  const found = { keys: [] as string[], folded: [] as string[] };
  let after = '';
  for (;;) {
    const page: Listing = listObjects(served.store.objects, { bucket: 'registry', prefix, delimiter, after, max });
    expect(page.objects.length + page.commonPrefixes.length).toBeLessThanOrEqual(max);
    found.keys.push(...page.objects.map(({ key }) => key));
    found.folded.push(...page.commonPrefixes);
    if (page.next === undefined) return found;
    after = page.next;
  }
}

describe('a listing by pages', () => {
  const prefixes = ['', 'a', 'a/', '/', '\u{1F600}', '\uFFFF', 'b-', 'nothing'];
  test.each(prefixes.flatMap((prefix) => ['', '/', 'a', '-/'].map((delimiter) => [prefix, delimiter])))(
    'of the prefix %j, folded at %j, is what there is, in order',
    (prefix, delimiter) => {
      for (const max of [1, 2, 7, 1_000]) {
        expect(paged(prefix as string, delimiter as string, max)).toEqual(
          expected(prefix as string, delimiter as string),
        );
      }
    },
  );

  test('over HTTP, with keys that XML can not say, encoded', async () => {
    const page = await served.get('/registry?list-type=2&max-keys=3&encoding-type=url');
    expect(page.text).toContain('<EncodingType>url</EncodingType>');
    const found: string[] = [];
    let token = '';
    do {
      const next = token === '' ? '' : `&continuation-token=${encodeURIComponent(token)}`;
      const { text } = await served.get(`/registry?list-type=2&max-keys=50&encoding-type=url${next}`);
      found.push(...[...text.matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key]) => decodeURIComponent(key as string)));
      token = /<NextContinuationToken>(.*)<\/Next/.exec(text)?.[1] ?? '';
    } while (token !== '');
    expect(found).toEqual(keys);
  });

  test('of the first version goes on behind its marker', async () => {
    const first = await served.get('/registry?max-keys=3&delimiter=%2F&encoding-type=url');
    const marker = /<NextMarker>(.*)<\/NextMarker>/.exec(first.text)?.[1] as string;
    const second = await served.get(`/registry?max-keys=1000&delimiter=%2F&encoding-type=url&marker=${marker}`);
    const { keys: all, folded } = expected('', '/');
    const count = (text: string) => text.match(/<Contents>|<CommonPrefixes>/g)?.length ?? 0;
    expect(count(first.text)).toBe(3);
    expect(count(second.text)).toBe(all.length + folded.length - 3);
  });
});

test('what comes after all that begin with a text', () => {
  expect(successor('a/')).toBe('a0');
  expect(successor('a\uD7FF')).toBe('a\uE000');
  expect(successor('a\u{10FFFF}')).toBe('b');
});
