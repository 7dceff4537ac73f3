/** Every `sh` block of the README runs, in order, in a copy of the checkout, and prints what the README shows. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cleanEnvironment, ROOT, run } from './admin.ts';
import { copyCheckout, disposeCheckout } from './checkout.ts';
import { freePorts } from './free-ports.ts';

interface Block {
  language: string;
  text: string;
  line: number;
}

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
/** Not the command that runs all tests: it is what runs this one. */
const blocks = blocksOf(README)
  .filter((one) => ['sh', 'text', 'python', 'json'].includes(one.language))
  .filter((one) => one.text !== './quickstart/test.sh');

test('the README has commands to run and answers to compare', () => {
  expect(blocks.filter((one) => one.language === 'sh').length).toBeGreaterThanOrEqual(5);
  expect(blocks.filter((one) => one.language === 'text').length).toBeGreaterThanOrEqual(1);
});

test('no block of the README escapes: each has a language that is run, shown or drawn', () => {
  const known = ['sh', 'text', 'python', 'json', 'mermaid', 'tree'];
  expect(blocksOf(README).filter((one) => !known.includes(one.language))).toEqual([]);
});

describe('the blocks of the README', () => {
  let checkout: string;
  let port: number;
  let printed = '';

  beforeAll(async () => {
    checkout = await copyCheckout();
    [port] = (await freePorts(1)) as [number];
  });
  afterAll(() => disposeCheckout(checkout));

  test.each(blocks.map((one) => [`line ${one.line}: ${one.text.split('\n')[0]}`, one] as const))(
    '%s',
    async (_name, block) => {
      // The README's port may be taken on the machine that tests.
      const text = block.text.replaceAll('8080', String(port));
      if (block.language === 'sh') {
        const env = cleanEnvironment({ PORT: String(port), NO_PROXY: '*' });
        const done = await run('bash', ['-euo', 'pipefail', '-c', text], { cwd: checkout, env });
        expect(done, `${done.stdout}${done.stderr}`).toMatchObject({ status: 0 });
        printed = done.stdout;
      } else if (block.language === 'text') {
        // Some lines hold facts of the moment: memory, times. `…` in the README stands for those.
        const pattern = text
          .trim()
          .split('…')
          .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
          .join('.*');
        expect(printed).toMatch(new RegExp(pattern));
      } else {
        const path = pathNamedBefore(README, block.line);
        writeFileSync(join(checkout, path), text);
      }
    },
  );
});

/** A python or json block is the content of the file named last before it, in backticks, ending in `:`. */
function pathNamedBefore(text: string, line: number): string {
  const before = text
    .split('\n')
    .slice(0, line - 1)
    .join('\n');
  const path = [...before.matchAll(/`([^`\s]+\.(?:py|json))`[^`]*:\s*$/g)].at(-1)?.[1];
  if (path === undefined) throw new Error(`no file is named before the block on line ${line}`);
  return path;
}

function blocksOf(text: string): Block[] {
  const found: Block[] = [];
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const language = /^```(.*)$/.exec(lines[at]!)?.[1];
    if (language === undefined) continue;
    const end = lines.indexOf('```', at + 1);
    if (end === -1) throw new Error(`the block on line ${at + 1} has no end`);
    found.push({ language, text: lines.slice(at + 1, end).join('\n'), line: at + 1 });
    at = end;
  }
  return found;
}
