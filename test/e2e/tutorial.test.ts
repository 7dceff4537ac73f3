/** The tutorial, followed as it stands: every command runs, every file is written, what is shown is printed. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT, run } from './admin.ts';
import { copyCheckout, disposeCheckout } from './checkout.ts';
import { blocksOf, Follower } from './doc-blocks.ts';
import { freePorts } from './free-ports.ts';

const TUTORIAL = readFileSync(join(ROOT, 'docs/tutorial.md'), 'utf8');
const blocks = blocksOf(TUTORIAL);

test('every block of the tutorial has a language that is run, shown or written', () => {
  const known = ['sh', 'text', 'python', 'json', 'requirements'];
  expect(blocks.filter((one) => !known.includes(one.language))).toEqual([]);
});

describe('the tutorial', () => {
  let checkout: string;
  let follower: Follower;

  beforeAll(async () => {
    checkout = await copyCheckout();
    expect(await run('node', ['scripts/build.mjs'], { cwd: checkout })).toMatchObject({ status: 0 });
    const [port] = (await freePorts(1)) as [number];
    follower = new Follower(TUTORIAL, { checkout, port });
  });
  afterAll(async () => {
    const team = join(checkout, 'team');
    if (existsSync(team)) await run(join(checkout, 'bin/admin'), ['kill', `--cluster=${team}`], { cwd: checkout });
    await disposeCheckout(checkout);
  });

  test.each(blocks.map((one) => [`line ${one.line}: ${one.text.split('\n')[0]}`, one] as const))('%s', (_name, block) =>
    follower.follow(block),
  );
});
