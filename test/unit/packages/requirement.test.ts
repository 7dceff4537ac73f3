import { describe, expect, test } from 'vitest';
import { normalName } from '../../../src/packages/normal-name.ts';
import { formatRequirement, parseRequirement, type Requirement } from '../../../src/packages/requirement.ts';

const HASH = `sha256:${'a'.repeat(64)}`;
const OTHER_HASH = `sha256:${'b'.repeat(64)}`;

function parsed(line: string): Requirement {
  const requirement = parseRequirement(line);
  if (typeof requirement === 'string') throw new Error(requirement);
  return requirement;
}

test.each([
  ['numpy', 'numpy'],
  ['NumPy==1.26.4', 'numpy==1.26.4'],
  ['zope.interface >= 5, < 7', 'zope-interface>=5,<7'],
  ['requests[socks, Use_Chardet] ~= 2.31', 'requests[socks,use-chardet]~=2.31'],
  ['a (>=1.0)', 'a>=1.0'],
  ['pywin32 >= 300 ; sys_platform == "win32"', 'pywin32>=300 ; sys_platform == "win32"'],
  [
    "tomli; python_version<'3.11' and (os_name != 'nt' or extra in 'a b')",
    "tomli ; python_version<'3.11' and (os_name != 'nt' or extra in 'a b')",
  ],
  ['x==1!2.0.post1+local.7', 'x==1!2.0.post1+local.7'],
  ['x==1.*,!=1.3.*', 'x==1.*,!=1.3.*'],
  ['x===weird-version', 'x===weird-version'],
])('%s', (line, formatted) => {
  expect(formatRequirement(parsed(line))).toBe(formatted);
  expect(parsed(formatted)).toEqual(parsed(line));
});

test('hashes are kept apart from the version', () => {
  expect(parsed(`six==1.16.0 --hash=${HASH} --hash ${OTHER_HASH}`)).toMatchObject({
    specifier: '==1.16.0',
    hashes: [HASH, OTHER_HASH],
  });
});

describe('what is no requirement is refused with the reason', () => {
  test.each([
    ['-r other.txt', 'options'],
    ['--index-url https://example.com', 'options'],
    ['-e .', 'options'],
    ['./mine', 'paths'],
    ['/etc/passwd', 'paths'],
    ['~/x', 'paths'],
    ['six-1.16.0-py2.py3-none-any.whl', 'paths'],
    ['mine.tar.gz ; python_version > "3"', 'paths'],
    ['https://example.com/x.whl', 'addresses'],
    ['git+https://example.com/x', 'addresses'],
    ['six @ https://example.com/six.whl', 'address'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: pip would replace it
    ['six==${VERSION}', 'variables'],
    ['six==1.16.0 --global-option=x', 'option'],
    ['six==1.16.0 --hash=md5:abc', 'option'],
    ['six=1.0', 'specifier'],
    ['six==', 'specifier'],
    ['six==1.0 2.0', 'specifier'],
    ['six==1.0;', 'no marker'],
    ['six ; python_versoin < "3"', 'python_versoin'],
    ['six ; __import__("os")', 'marker'],
    ['six[a b]', 'extra'],
    ['_six', 'name'],
    ['$(id)', 'name'],
    ['six==1.0\u0000', 'specifier'],
  ])('%j', (line, word) => {
    expect(parseRequirement(line)).toContain(word);
  });
});

test('names are those of PEP 503', () => {
  expect(normalName('Foo__Bar.-baz')).toBe('foo-bar-baz');
});
