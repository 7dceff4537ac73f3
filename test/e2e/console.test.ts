/** The console in a real browser, and its walls as a stranger's page or program meets them. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPage, startBrowser, takePicture } from './browser.ts';
import { request } from './cluster.ts';
import { eventually } from './eventually.ts';
import { useCluster, withCluster } from './use-cluster.ts';

const cluster = useCluster();
const consoleUrl = () => `${cluster().url()}/console/`;

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
}, 120_000);
afterAll(() => browser?.close());

describe('in a browser', () => {
  test('a lambda is written, saved, invoked and looked at', async () => {
    const { page, complaints } = await openPage(browser, consoleUrl());
    await page.getByLabel('Name of a new lambda').fill('greet');
    await page.getByRole('button', { name: 'New' }).click();
    await page.getByRole('heading', { name: 'greet' }).waitFor();
    await page.getByLabel('Event', { exact: true }).fill('{"name": "Bob", "n": 12345678901234567890}');
    await page.getByRole('button', { name: 'Invoke' }).click();
    await expect.poll(() => page.locator('#result').textContent()).toBe('"Hello, Bob!"');
    // What it printed stands with its call.
    const first = page.locator('.log tbody tr').first();
    await first.getByRole('button').click();
    await expect.poll(() => page.locator('.log .detail').textContent()).toContain('greeting Bob');
    expect(await page.locator('.log .detail').textContent()).toContain('12345678901234567890');
    await takePicture(page, 'lambda');

    const code = page.getByLabel('Code');
    await code.fill('def handler(event):\n    raise KeyError("<b>bold</b>")\n');
    await code.press('Control+s');
    await page.getByText('saved: the next call runs it').waitFor();
    expect(readFileSync(join(cluster().dir, 'registry/greet/lambda_func.py'), 'utf8')).toContain('<b>bold</b>');
    await page.getByRole('button', { name: 'Invoke' }).click();
    await expect.poll(() => page.locator('#result').textContent()).toContain("KeyError: '<b>bold</b>'");
    await takePicture(page, 'failure');
    expect(complaints.filter((text) => !text.includes('500 (Internal Server Error)'))).toEqual([]);
    await page.context().close();
  });

  test('the overview is live: calls, instances, the tree of zygotes', async () => {
    cluster().install('busy', 'def handler(event):\n    return 1 / event["n"]\n');
    const { page, complaints } = await openPage(browser, consoleUrl());
    await page.getByText('Calls per second').waitFor();
    await eventually(async () => {
      await Promise.all([1, 0, 2, 3].map((n) => cluster().call('busy', { n })));
      await expect.poll(() => page.locator('rect.good').count(), { timeout: 3_000 }).toBeGreaterThan(0);
      await expect.poll(() => page.locator('rect.bad').count(), { timeout: 3_000 }).toBeGreaterThan(0);
    });
    await page.locator('tr', { hasText: 'busy' }).locator('.cell').first().waitFor();
    expect(await page.locator('path.p50').count()).toBeGreaterThan(0);
    expect(await page.locator('#worker').textContent()).toContain('ready');
    await takePicture(page, 'overview');
    await page.getByRole('link', { name: 'Calls', exact: true }).click();
    await page.getByLabel('failures only').check();
    await expect
      .poll(() => page.locator('tbody tr').allTextContents())
      .toSatisfy((rows: string[]) => rows.length > 0 && rows.every((row) => !row.includes('result')));
    await page.locator('tbody tr').first().getByRole('button').click();
    await page.locator('.detail .flame').waitFor();
    await takePicture(page, 'calls');
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test('all of it fits a narrow screen, though a name is as long as it may be', async () => {
    const name = 'a'.repeat(64);
    cluster().install(name, `def handler(event):\n    return "${'x'.repeat(2_000)}"\n`);
    await cluster().call(name);
    const { page, complaints } = await openPage(browser, consoleUrl());
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      for (const width of [360, 800]) {
        await page.setViewportSize({ width, height: 780 });
        const fits = async (what: string) => {
          await takePicture(page, `${what}-${colorScheme}-${width}`);
          expect(await page.evaluate('document.documentElement.scrollWidth'), `${what}, ${width}`).toBe(width);
        };
        await page.getByRole('link', { name: 'Overview' }).click();
        await page.locator('.instances', { hasText: name }).waitFor();
        await fits('overview');
        await page.getByRole('link', { name: 'Calls', exact: true }).click();
        await page.locator('tr', { hasText: name }).getByRole('button').first().click();
        await page.locator('.detail pre').first().waitFor();
        await fits('calls');
        await page.getByRole('link', { name }).first().click();
        await page.getByRole('button', { name: 'Invoke' }).click();
        await page.locator('#result').filter({ hasText: 'xxx' }).waitFor();
        await fits('lambda');
      }
    }
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  test('whatever a lambda says stands there as text', async () => {
    const code = `
def handler(event):
    print("<script>alert(1)</script><img src=/x onerror=alert(2)>")
    raise type("<img src=/x onerror=alert(3)>", (Exception,), {})("<svg onload=alert(4)>\\x1b[2J")
`;
    cluster().install('loud', code);
    const { page, complaints } = await openPage(browser, consoleUrl());
    await page.getByRole('link', { name: 'loud' }).first().click();
    await page.getByLabel('Event', { exact: true }).fill('{"<b>": "</textarea><script>alert(5)</script>"}');
    await page.getByRole('button', { name: 'Invoke' }).click();
    await expect.poll(() => page.locator('#result').textContent()).toContain('<svg onload=alert(4)>');
    const first = page.locator('.log tbody tr').first();
    // What is no name of a class is not told as one.
    await expect.poll(() => first.textContent()).toContain('Unknown');
    await first.getByRole('button').click();
    await expect.poll(() => page.locator('.log .detail').textContent()).toContain('<script>alert(1)</script>');
    expect(await page.locator('main img, main script, main svg[onload], main b').count()).toBe(0);
    expect(complaints.filter((text) => !text.includes('500 (Internal Server Error)'))).toEqual([]);
    await page.context().close();
  });

  test('the page is less than 60 KB, and nothing of it is from elsewhere', async () => {
    const { page } = await openPage(browser, consoleUrl());
    await page.getByText('Calls per second').waitFor();
    const loaded = await page.evaluate(() =>
      ['navigation', 'resource']
        .flatMap((type) => performance.getEntriesByType(type as 'mark'))
        .map((entry) => entry.toJSON() as { name: string; encodedBodySize: number }),
    );
    for (const { name } of loaded) expect(name.startsWith(cluster().url())).toBe(true);
    const files = loaded.filter(({ name }) => !name.includes('/api/'));
    expect(files.length).toBeGreaterThan(5);
    expect(files.every(({ encodedBodySize }) => encodedBodySize > 0)).toBe(true);
    expect(files.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)).toBeLessThan(60_000);
    await page.context().close();
  });

  test('with a token nobody gets in without it', async () => {
    const token = 'a-token-of-the-test-0123';
    await withCluster({ settings: { console_token: token } }, async (own) => {
      expect((await request(`${own.url()}/console/api/lambdas`)).status).toBe(401);
      const { page } = await openPage(browser, `${own.url()}/console/`);
      await page.getByLabel('Token').fill('not-the-token-of-it');
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByText('That is not the token.').waitFor();
      await takePicture(page, 'login');
      await page.getByLabel('Token').fill(token);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByText('Calls per second').waitFor();
      await page.context().close();
      const bearer = { headers: { authorization: `Bearer ${token}` } };
      expect((await request(`${own.url()}/console/api/lambdas`, bearer)).status).toBe(200);
    });
  });
});

/** With whatever headers: fetch sets some of them itself. */
function ask(
  path: string,
  { method = 'GET', headers = {}, body = '' } = {},
): Promise<{ status: number; body: string; headers: Record<string, unknown> }> {
  return new Promise((done, fail) => {
    const asked = httpRequest(`${cluster().url()}${path}`, { method, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (piece) => {
        text += piece;
      });
      answer.on('end', () => done({ status: answer.statusCode!, body: text, headers: answer.headers }));
    });
    asked.on('error', fail).end(body);
  });
}

const OURS = { 'x-isla-console': '1' };

describe('a page or a program that should not', () => {
  test.each([['evil.example'], ['evil.example:8080'], ['127.0.0.1.evil.example'], ['[2001:db8::1]:80']])(
    'is refused under the name %j, which may be pointed here by anybody',
    async (host) => {
      expect(await ask('/console/api/lambdas', { headers: { host } })).toMatchObject({ status: 403 });
    },
  );

  test('is refused when it wants to change something without the header that pages from elsewhere can not send', async () => {
    const code = 'def handler(event): return "theirs"\n';
    expect(await ask('/console/api/files/victim/lambda_func.py', { method: 'PUT', body: code })).toMatchObject({
      status: 403,
    });
    expect(existsSync(join(cluster().dir, 'registry/victim'))).toBe(false);
    const preflight = await ask('/console/api/files/victim/lambda_func.py', {
      method: 'OPTIONS',
      headers: { origin: 'http://evil.example', 'access-control-request-headers': 'x-isla-console' },
    });
    expect(preflight.headers).not.toHaveProperty('access-control-allow-origin');
  });

  test('can not leave the lambda with a path or a link', async () => {
    cluster().install('inside', 'def handler(event): return 1\n');
    const outside = join(cluster().dir, 'outside');
    writeFileSync(outside, 'kept');
    const elsewhere = join(cluster().dir, '../elsewhere');
    mkdirSync(elsewhere);
    symlinkSync(elsewhere, join(cluster().dir, 'registry/inside/up'));
    symlinkSync(outside, join(cluster().dir, 'registry/inside/file'));
    const paths = [
      '..%2foutside',
      '../../outside',
      '%2e%2e/outside',
      'up/isla-outside',
      'a/../../x',
      '',
      '/etc/passwd',
      '.',
    ];
    for (const path of paths) {
      for (const method of ['PUT', 'DELETE']) {
        const { status } = await ask(`/console/api/files/inside/${path}`, { method, headers: OURS, body: 'theirs' });
        expect([400, 403, 404], `${method} ${path}`).toContain(status);
      }
    }
    expect(readdirSync(elsewhere)).toEqual([]);
    // The link itself is replaced, not what it leads to.
    await ask('/console/api/files/inside/file', { method: 'PUT', headers: OURS, body: 'theirs' });
    expect(readFileSync(outside, 'utf8')).toBe('kept');
    const { body } = await ask('/console/api/files/inside/');
    expect(
      JSON.parse(body)
        .files.map(({ path }: { path: string }) => path)
        .sort(),
    ).toEqual(['file', 'lambda_func.py']);
    expect((await ask('/console/api/files/..%2f..%2fconfig/')).status).toBe(400);
  });

  test('is told what is too long, and gets no page by another name', async () => {
    const long = 'x'.repeat(256 * 1024 + 1);
    expect(await ask('/console/api/files/long/a.py', { method: 'PUT', headers: OURS, body: long })).toMatchObject({
      status: 413,
    });
    for (const path of ['/console/../config/template.json', '/console/%2e%2e/main.js', '/console/nothing.js']) {
      expect((await ask(path)).status, path).toBe(404);
    }
  });

  test('finds the strict headers on all that is sent', async () => {
    for (const path of ['/console/', '/console/main.js', '/console/api/lambdas']) {
      const { headers } = await ask(path);
      expect(headers['content-security-policy'], path).toMatch(/^default-src 'none'; script-src 'self';/);
      expect(headers, path).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY' });
    }
  });
});

describe('a function that was made through the API', () => {
  const zip = (source: string): string => {
    const script =
      'import base64, io, sys, zipfile\nm = io.BytesIO()\nz = zipfile.ZipFile(m, "w")\nz.writestr("index.py", sys.argv[1])\nz.close()\nprint(base64.b64encode(m.getvalue()).decode())';
    return execFileSync('python3', ['-c', script, source], { encoding: 'utf8' }).trim();
  };
  const api = async (method: string, path: string, body?: object) => {
    const url = `${cluster().url()}/2015-03-31/functions${path}`;
    const answer = await fetch(url, { method, ...(body && { body: JSON.stringify(body) }) });
    return (await answer.json()) as Record<string, unknown>;
  };
  const put = (path: string, body: string) =>
    ask(`/console/api/files/made/${path}`, { method: 'PUT', headers: OURS, body });

  test('is edited as a whole: its versions stay, and what could not be run is refused', async () => {
    const code = (text: string) => `def handler(event, context):\n    return ["${text}", context.memory_limit_in_mb]\n`;
    const made = await api('POST', '', {
      FunctionName: 'made',
      Handler: 'index.handler',
      MemorySize: 200,
      Code: { ZipFile: zip(code('first')) },
      Publish: true,
    });
    expect((await put('index.py', code('second'))).status).toBe(204);
    expect((await cluster().call('made')).json).toEqual(['second', '200']);
    expect((await cluster().call('made~1')).json).toEqual(['first', '200']);
    const now = await api('GET', '/made/configuration');
    expect(now).toMatchObject({ Handler: 'index.handler', MemorySize: 200 });
    expect([now.CodeSha256 === made.CodeSha256, now.RevisionId === made.RevisionId]).toEqual([false, false]);

    // What is edited in lambda.json is the function's configuration from then on.
    expect((await put('lambda.json', '{"handler": "index.handler", "memory_mb": 300}')).status).toBe(204);
    expect((await cluster().call('made')).json).toEqual(['second', '300']);
    expect(await api('GET', '/made/configuration')).toMatchObject({ MemorySize: 300 });
    await api('PUT', '/made/code', { ZipFile: zip(code('third')) });
    expect((await cluster().call('made')).json).toEqual(['third', '300']);

    for (const [path, text] of [
      ['lambda.json', '{'],
      ['lambda.json', '{"memory_mb": 100000000}'],
    ] as const) {
      const refused = await put(path, text);
      expect([refused.status >= 400, refused.body.includes('lambda.json')], text).toEqual([true, true]);
    }
    const last = await ask('/console/api/files/made/index.py', { method: 'DELETE', headers: OURS });
    expect([last.status >= 400, last.body.includes('index.py')]).toEqual([true, true]);
    expect((await put('util/more.py', 'x = 1\n')).status).toBe(204);
    expect((await ask('/console/api/files/made/util/more.py', { method: 'DELETE', headers: OURS })).status).toBe(204);
    expect((await cluster().call('made')).json).toEqual(['third', '300']);
    // Nothing is left of what was before, and of what was refused: the current code, that of the version, and what is known.
    const kept = readdirSync(join(cluster().dir, 'registry/~functions/made')).sort();
    expect(kept).toHaveLength(4);
    expect(kept).toEqual(expect.arrayContaining(['1', 'function.json']));
  });
});

test('off, or on an address of the network without a token, there is no console', async () => {
  for (const settings of [{ console: 'off' }, { worker_host: '0.0.0.0' }]) {
    await withCluster({ settings }, async (own) => {
      expect((await request(`${own.url()}/console/`)).status).toBe(404);
      expect((await request(`${own.url()}/console/api/lambdas`)).status).toBe(404);
    });
  }
});
