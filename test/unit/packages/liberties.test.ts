/** What `packages_allow` allows, and what it never does. */
import { describe, expect, test } from 'vitest';
import { PACKAGE_LIBERTIES, type PackageLiberty } from '../../../src/config/settings.ts';
import { type Declared, type DeclaredList, declaredBy, declaredWith } from '../../../src/packages/declared.ts';
import { wantedBy } from '../../../src/packages/wanted.ts';

const HASH = `sha256:${'a'.repeat(64)}`;
const WHEEL = 'six-1.16.0-py2.py3-none-any.whl';

const HELD: Record<string, string> = {
  [`./${WHEEL}`]: '',
  [`./wheels/${WHEEL}`]: '',
  './wheels/readme.txt': '',
  './lists/base.txt': '-r more.txt\n-c ../held.txt\nflask\n',
  './lists/fine.txt': '--requirement=more.txt\n--pre\nflask\n',
  './lists/more.txt': 'numpy\n-r fine.txt\n',
  './held.txt': 'numpy<2\n',
  './wrong.txt': 'numpy[extra]<2\n',
};

const files = {
  has: (path: string) => Object.hasOwn(HELD, path),
  in: (dir: string) => Object.keys(HELD).filter((path) => path.slice(0, path.lastIndexOf('/')) === dir),
  text: (path: string) => HELD[path],
};

function list(requirementsTxt: string, allow: readonly PackageLiberty[] = PACKAGE_LIBERTIES, builds = false) {
  const handler = { file: 'lambda_func.py', text: '' };
  return declaredBy({ requirementsTxt, packagesTxt: undefined, handler }, { allow, builds, files }) as DeclaredList;
}

function declared(text: string, sha256 = 'f'.repeat(64)): Declared {
  const found = list(text);
  const wheels = found.wheels.map((path) => ({ path, from: `/code/${path}`, sha256 }));
  return declaredWith(found, wheels);
}

test.each([
  ['--pre\nsix', ['--pre'], ['six']],
  ['-i https://e.org/simple\nsix', ['--index-url https://e.org/simple'], ['six']],
  ['-ihttps://e.org/simple --no-index\nsix', ['--index-url https://e.org/simple', '--no-index'], ['six']],
  ['--extra-index-url=https://e.org/s\n--pre\n--pre\nsix', ['--extra-index-url https://e.org/s', '--pre'], ['six']],
  ['-f https://e.org/links.html\nsix', ['--find-links https://e.org/links.html'], ['six']],
  ['--find-links wheels\nsix', ['--find-links ./wheels'], ['six']],
  ['--only-binary six,a.b\nsix', ['--only-binary six,a.b'], ['six']],
  [`--require-hashes\nsix==1 --hash=${HASH}`, ['--require-hashes'], [`six==1 --hash=${HASH}`]],
  [`https://e.org/a/${WHEEL}`, [], [`six @ https://e.org/a/${WHEEL}`]],
  [
    `six[b,a]@https://e.org/x;y/${WHEEL} ; python_version > "3"`,
    [],
    [`six[a,b] @ https://e.org/x;y/${WHEEL} ; python_version > "3"`],
  ],
  [
    'torch @ https://e.org/torch-2.0%2Bcpu-py3-none-any.whl',
    [],
    ['torch @ https://e.org/torch-2.0%2Bcpu-py3-none-any.whl'],
  ],
  [WHEEL, [], [`./${WHEEL}`]],
  [
    `./wheels/${WHEEL}[x]; python_version > "3" --hash=${HASH}`,
    [],
    [`./wheels/${WHEEL}[x] ; python_version > "3" --hash=${HASH}`],
  ],
  ['-r lists/fine.txt', ['--pre'], ['numpy', 'flask']],
])('%j', (text, options, requirements) => {
  const wanted = wantedBy(declared(text));
  expect([wanted.options, wanted.requirements]).toEqual([options, requirements]);
});

test('constraints hold for what is needed, and ask for nothing', () => {
  const wanted = wantedBy(declared('-c held.txt\nflask'));
  expect([wanted.requirements, wanted.constraints]).toEqual([['flask'], ['numpy<2']]);
  expect(list('-c held.txt')).toBeUndefined();
});

describe('each needs its own permission, and the refusal names it', () => {
  test.each([
    ['--pre', ['urls', 'paths'], 'options'],
    ['-i https://e.org/simple', ['options', 'paths'], 'urls'],
    ['-r lists/fine.txt', ['options', 'urls'], 'paths'],
    ['--find-links ./wheels', ['options', 'urls'], 'paths'],
    [`./${WHEEL}`, ['options', 'urls'], 'paths'],
    [`six @ https://e.org/${WHEEL}`, ['options', 'paths'], 'urls'],
    [`https://e.org/${WHEEL}`, ['options', 'paths'], 'urls'],
  ] as const)('%s with %j', (line, allow, lacking) => {
    expect(() => list(`${line}\nsix`, allow)).toThrow(
      new RegExp(`line 1: .*setting packages_allow does not have "${lacking}"`),
    );
    expect(() => list(`${line}\nsix`)).not.toThrow();
  });
});

describe('never allowed', () => {
  test.each([
    ['-e .', 'directory of sources'],
    ['--trusted-host e.org', 'whom pip trusts'],
    ['--no-binary :all:', 'only wheels'],
    ['--target /etc', 'no option that means something'],
    ['--index-url', 'https:// or http://'],
    ['--index-url file:///etc', 'https:// or http://'],
    ['--index-url https://me:secret@e.org/simple', 'configuration of pip'],
    ['--find-links ../other', 'stays in'],
    ['--find-links /opt/wheels', "lambda's own directory"],
    ['--find-links lists', 'no wheels in ./lists'],
    ['-r ../other/requirements.txt', 'stays in'],
    ['-r https://e.org/list.txt', 'no address'],
    ['-r nowhere.txt', 'no file ./nowhere.txt'],
    ['-c wrong.txt', 'line 1 of ./wrong.txt: "numpy[extra]<2": a constraint'],
    ['-r lists/base.txt', 'line 2 of ./lists/base.txt: "-c ../held.txt": a path with ..'],
    ['six @ file:///opt/six.whl', 'https:// or http://'],
    [`six @ git+https://e.org/six`, 'repository'],
    ['six @ https://e.org/six.tar.gz', 'not the name of a wheel'],
    ['six @ https://e.org/six-1.0.tar.gz', 'packages_build is "off"'],
    [`six @ https://me@e.org/${WHEEL}`, 'name or a password'],
    [`/opt/${WHEEL}`, "lambda's own directory"],
    [`~/${WHEEL}`, "lambda's own directory"],
    [`./a/../../${WHEEL}`, 'stays in'],
    ['./six-1.0.tar.gz', 'packages_build is "off"'],
    ['./lists', 'not the name of a wheel'],
    ['other-1.0-py3-none-any.whl', 'no file ./other-1.0'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: pip would replace it
    ['--index-url https://${HOST}/simple', 'variables'],
  ])('%s', (line, words) => {
    expect(() => list(`${line}\n`)).toThrow(words);
  });
});

test('where packages are built, their sources may be named', () => {
  const text = '--no-binary six\nsix @ https://e.org/six-1.0.tar.gz';
  const found = list(text, PACKAGE_LIBERTIES, true);
  expect([found.options, found.requirements[0]?.at]).toEqual([['--no-binary six'], 'https://e.org/six-1.0.tar.gz']);
});

test('what decides what a list comes to decides its key, and the order of packages does not', () => {
  const texts = ['six\nflask', '--pre\nsix\nflask', '-i https://a.org\nsix\nflask', '-i https://b.org\nsix\nflask'];
  texts.push('-c held.txt\nsix\nflask', `./${WHEEL}\nflask`);
  const keys = [...texts.map((text) => declared(text).digest), declared(`./${WHEEL}\nflask`, '0'.repeat(64)).digest];
  expect(new Set(keys).size).toBe(7);
  expect(declared('flask\nsix').digest).toBe(keys[0]);
  expect(declared('flask\n--pre\nsix').digest).toBe(keys[1]);
});
