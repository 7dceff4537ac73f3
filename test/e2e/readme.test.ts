/** Every `sh` block of the README runs, in order, in a copy of the checkout, and prints what the README shows. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from './admin.ts';
import { copyCheckout, disposeCheckout } from './checkout.ts';
import { blocksOf, Follower } from './doc-blocks.ts';
import { freePorts } from './free-ports.ts';

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
  let follower: Follower;

  beforeAll(async () => {
    checkout = await copyCheckout();
    const [port] = (await freePorts(1)) as [number];
    follower = new Follower(README, { checkout, port });
  });
  afterAll(() => disposeCheckout(checkout));

  test.each(blocks.map((one) => [`line ${one.line}: ${one.text.split('\n')[0]}`, one] as const))('%s', (_name, block) =>
    follower.follow(block),
  );
});
