import { describe, expect, test } from 'vitest';
import { type CodeTexts, declaredBy } from '../../../src/packages/declared.ts';
import { formatRequirement } from '../../../src/packages/requirement.ts';

const NO_FILES = { has: () => false, in: () => [], text: () => undefined };

function declared(texts: Partial<Omit<CodeTexts, 'handler'>> & { code?: string }): [string, ...string[]] | undefined {
  const { code = 'def handler(event): pass\n', requirementsTxt, packagesTxt } = texts;
  const found = declaredBy(
    { requirementsTxt, packagesTxt, handler: { file: 'lambda_func.py', text: code } },
    { allow: [], builds: false, files: NO_FILES },
  );
  return found && [found.file, ...found.requirements.map(formatRequirement)];
}

const BLOCK =
  '#!/usr/bin/env python3\n# /// script\n# requires-python = ">=3.9"\n# dependencies = [\n#   "rich",\n#   "numpy<2",\n# ]\n# ///\n';

test('code that says nothing needs nothing', () => {
  expect(declared({})).toBeUndefined();
  expect(declared({ requirementsTxt: '# nothing yet\n\n' })).toBeUndefined();
  expect(declared({ code: '# /// script\n# requires-python = ">=3.9"\n# ///\n' })).toBeUndefined();
});

describe('it is read from', () => {
  test('requirements.txt, as pip reads it', () => {
    const text = '\uFEFF# mine\r\nnumpy==1.26.4 # pinned\r\n\r\nrequests \\\r\n  >= 2\r\nnumpy==1.26.4\r\nx#y\r\n';
    expect(() => declared({ requirementsTxt: text })).toThrow(/line 7: "x#y"/);
    expect(declared({ requirementsTxt: text.replace('x#y', '') })).toEqual([
      'requirements.txt',
      'numpy==1.26.4',
      'requests>=2',
    ]);
  });

  test('packages.txt, with and without what is imported', () => {
    expect(declared({ packagesTxt: 'PIL:pillow\nnumpy\n\nyaml:PyYAML==6.0\n' })).toEqual([
      'packages.txt',
      'pillow',
      'numpy',
      'pyyaml==6.0',
    ]);
    expect(() => declared({ packagesTxt: 'https://example.com/x\n' })).toThrow('addresses');
  });

  test('the block of PEP 723', () => {
    expect(declared({ code: `${BLOCK}import rich\n` })).toEqual(['lambda_func.py', 'rich', 'numpy<2']);
  });

  test("OpenLambda's comment", () => {
    const code = '# a lambda\n# ol-install: numpy, pandas==2.2.0\ndef f(event): pass\n';
    expect(declared({ code })).toEqual(['lambda_func.py', 'numpy', 'pandas==2.2.0']);
    expect(declared({ code: `import os\n${code}` })).toBeUndefined();
  });

  test('the first of these that is there', () => {
    const texts = { requirementsTxt: 'a', packagesTxt: 'b', code: BLOCK };
    expect(declared(texts)).toEqual(['requirements.txt', 'a']);
    expect(declared({ ...texts, requirementsTxt: undefined })).toEqual(['packages.txt', 'b']);
  });
});

test('all problems are told at once, with their lines', () => {
  const text = 'ok\n-r other.txt\nsix=1\n';
  expect(() => declared({ requirementsTxt: text })).toThrow(
    /^requirements\.txt: line 2: "-r other\.txt": .*; line 3: "six=1"/,
  );
});

test.each([
  ['# /// script\n# dependencies = "numpy"\n# ///\n', 'no list of strings'],
  ['x = 1\n# /// script\n# dependencies = [\n# ///\n', 'line 2'],
])('a block that cannot be read is told: %j', (code, words) => {
  expect(() => declared({ code })).toThrow(words);
});

test('a thousand packages are too many', () => {
  const requirementsTxt = Array.from({ length: 1000 }, (_, n) => `p${n}`).join('\n');
  expect(() => declared({ requirementsTxt })).toThrow('256 are allowed');
});
