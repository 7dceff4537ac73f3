/** What pip is told of this machine's configuration. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { pipSettings } from '../../../src/packages/pip-settings.ts';
import { scratchDir } from '../scratch-dir.ts';

const made: string[] = [];
afterEach(() => {
  for (const dir of made.splice(0)) rmSync(dir, { recursive: true });
});

function home(files: Record<string, string>): string {
  const dir = mkdtempSync(join(scratchDir(), 'isla-pip-'));
  made.push(dir);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(dir, path, '..'), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  return dir;
}

test('its own variables, how to reach the network, and nothing else', () => {
  const env = {
    HOME: home({}),
    PIP_INDEX_URL: 'a',
    PIP_TARGET: 'b',
    HTTPS_PROXY: 'c',
    AWS_SECRET_ACCESS_KEY: 'd',
    PATH: 'e',
  };
  expect(pipSettings(env, '').env).toEqual({ PATH: 'e', LC_ALL: 'C.UTF-8', PIP_INDEX_URL: 'a', HTTPS_PROXY: 'c' });
  expect(pipSettings(env, 'https://e.org/simple').env.PIP_INDEX_URL).toBe('https://e.org/simple');
});

test("its user's files, wherever they are", () => {
  const dir = home({
    '.pip/pip.conf': 'old',
    '.config/pip/pip.conf': 'new',
    '.netrc': 'keys',
    'x/pip/pip.conf': 'xdg',
  });
  const files = { '.pip/pip.conf': 'old', '.config/pip/pip.conf': 'new', '.netrc': 'keys' };
  expect(pipSettings({ HOME: dir }, '').files).toEqual(files);
  expect(pipSettings({ HOME: dir, XDG_CONFIG_HOME: join(dir, 'x') }, '').files['.config/pip/pip.conf']).toBe('xdg');
  expect(pipSettings({ HOME: dir, NETRC: join(dir, 'x/pip/pip.conf') }, '').files['.netrc']).toBe('xdg');
  expect(pipSettings({ HOME: dir, PIP_CONFIG_FILE: '/dev/null' }, '').env.PIP_CONFIG_FILE).toBe('/dev/null');
  expect(pipSettings({ HOME: home({}) }, '').files).toEqual({});
});
