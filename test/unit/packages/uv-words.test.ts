/** python/uv_words.py, run by this machine's Python. */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const DIR = resolve(import.meta.dirname, '../../../src/packages/python');
const SCRIPT = `
import json, sys
sys.path.insert(0, sys.argv[1])
import uv_words
asked = json.loads(sys.argv[2])
config = uv_words.configured(asked["printed"])
try:
    said = {"arguments": uv_words.arguments(config, asked["options"], asked["target"])}
except uv_words.Unsayable as error:
    said = {"refused": str(error)}
print(json.dumps({**said, "environment": uv_words.environment(config, asked["own"])}))
`;
const TARGET = {
  version: '3.9.1',
  soabi: 'cpython-39-x86_64-linux-gnu',
  libc: 'glibc2.36',
  markers: { platform_machine: 'x86_64' },
};

function said({ printed = '', options = [] as string[], target = {}, own = {} }) {
  const asked = JSON.stringify({ printed, options, target: { ...TARGET, ...target }, own });
  return JSON.parse(execFileSync('python3', ['-I', '-B', '-c', SCRIPT, DIR, asked], { encoding: 'utf8' }));
}

/** What comes after `word`, each time. */
function after(words: string[], word: string): string[] {
  return words.filter((_one, at) => words[at - 1] === word);
}

test("the section of pip's command counts more than what is for all, and variables most", () => {
  const printed = [
    ":env:.index-url='https://env/simple'",
    "download.index-url='https://download/simple'",
    "download.find-links='/a\\n/b'",
    "global.index-url='https://global/simple'",
    "global.extra-index-url='https://extra/simple'",
    "install.no-index='true'",
    'WARNING: something else',
  ].join('\n');
  const { arguments: words } = said({ printed });
  expect(after(words, '--index-url')).toEqual(['https://env/simple']);
  expect(after(words, '--extra-index-url')).toEqual(['https://extra/simple']);
  expect(after(words, '--find-links')).toEqual(['/a', '/b']);
  expect(words).not.toContain('--no-index');
});

test("an index of the list comes in place of the operator's, and none at all in place of any", () => {
  const printed = "global.index-url='https://a/simple'\nglobal.extra-index-url='https://b/simple https://c/simple'";
  const own = said({
    printed,
    options: ['--index-url https://x/simple', '--extra-index-url https://y/simple'],
  }).arguments;
  expect([after(own, '--index-url'), after(own, '--extra-index-url')]).toEqual([
    ['https://x/simple'],
    ['https://y/simple'],
  ]);
  const none = said({ printed, options: ['--no-index', '--find-links ./wheels'] }).arguments;
  expect([none.includes('--index-url'), after(none, '--find-links')]).toEqual([false, ['./wheels']]);
  expect(said({}).arguments).not.toContain('--index-url');
});

test('certificates, proxies and time go by variables, and nothing of pip and uv besides', () => {
  const printed = "global.cert='/ca.pem'\nglobal.proxy='http://proxy:1'\n:env:.default-timeout='7'\n:env:.no-input='1'";
  const own = { PATH: '/bin', PIP_INDEX_URL: 'x', UV_INDEX_URL: 'y', REQUESTS_CA_BUNDLE: '/other.pem' };
  const { environment } = said({ printed, own });
  expect(environment).toMatchObject({
    PATH: '/bin',
    SSL_CERT_FILE: '/ca.pem',
    HTTPS_PROXY: 'http://proxy:1',
    UV_HTTP_TIMEOUT: '7',
  });
  expect(environment).not.toHaveProperty('PIP_INDEX_URL');
  expect(environment).not.toHaveProperty('UV_INDEX_URL');
  expect(said({ own }).environment.SSL_CERT_FILE).toBe('/other.pem');
});

test('what uv has no word for is refused by its name', () => {
  expect(said({ printed: ":env:.use-deprecated='x'\nglobal.platform='y'" }).refused).toContain(
    'platform, use-deprecated',
  );
  expect(said({ printed: "global.keyring-provider='import'" }).refused).toContain('keyring-provider import');
  expect(said({ options: ['--require-hashes'] }).refused).toContain('--require-hashes');
  expect(said({ target: { soabi: 'cpython-313t-x86_64-linux-gnu' } }).refused).toContain('cpython-313t');
});

test('another interpreter is asked for with the newest platform that uv knows and its libc can load', () => {
  const platform = (target: object) => after(said({ target }).arguments, '--python-platform');
  expect(platform({})).toEqual(['x86_64-manylinux_2_36']);
  expect(platform({ libc: 'glibc2.29' })).toEqual(['x86_64-manylinux_2_28']);
  expect(platform({ libc: 'musl1.2.5' })).toEqual(['x86_64-unknown-linux-musl']);
  expect(after(said({}).arguments, '--python-version')).toEqual(['3.9.1']);
});
