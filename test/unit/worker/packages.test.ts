/** What the worker makes of packages that are there, come late, or never. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Failure } from '../../../src/config/failure.ts';
import type { PackageSet } from '../../../src/sandbox/sandbox.ts';
import type { LambdaPackages } from '../../../src/worker/lambda-packages.ts';
import { Serving } from './serving.ts';

type Obtain = LambdaPackages['obtain'];

/** Sets by the first requirement's name; what is not there is obtained as the test says. */
class Shelf implements LambdaPackages {
  readonly sets = new Map<string, PackageSet>();
  readonly asked: { lambda: string; waitMs: number | undefined }[] = [];
  readonly forgotten: string[] = [];
  onObtain: Obtain = () => Promise.reject(new Failure('packages-failed', 'nobody has it'));

  put(name: string, dir = `/sets/${name}`): void {
    this.sets.set(name, { dir, members: [`${name}==1@0`] });
  }

  ready: LambdaPackages['ready'] = (_lambda, { requirements }) => this.sets.get(requirements[0]?.name ?? '');

  obtain: Obtain = (lambda, declared, waitMs) => {
    this.asked.push({ lambda, waitMs });
    return this.onObtain(lambda, declared, waitMs);
  };

  forget = (lambda: string): void => {
    this.forgotten.push(lambda);
  };

  hasVanished = (): boolean => false;
  close = (): Promise<void> => Promise.resolve();
}

let serving: Serving | undefined;
afterEach(() => serving?.close());

async function serve(shelf: Shelf): Promise<Serving> {
  serving = await new Serving({ packages: shelf, packagesWaitMsMax: 1234 }).open();
  return serving;
}

function lambda(at: Serving, name: string, requirements: string | undefined): void {
  const dir = at.lambda(name);
  if (requirements !== undefined) writeFileSync(join(dir, 'requirements.txt'), requirements);
}

test('a lambda that needs nothing asks nobody', async () => {
  const shelf = new Shelf();
  const at = await serve(shelf);
  lambda(at, 'plain', undefined);
  expect((await at.run('plain')).status).toBe(200);
  expect(shelf.asked).toEqual([]);
  expect(at.engine.made[0]?.spec.packages).toBeUndefined();
});

test('packages that are there go to its sandboxes', async () => {
  const shelf = new Shelf();
  shelf.put('numpy');
  const at = await serve(shelf);
  lambda(at, 'a', 'numpy');
  expect((await at.run('a')).status).toBe(200);
  expect(at.engine.made[0]?.spec.packages).toEqual({ dir: '/sets/numpy', members: ['numpy==1@0'] });
  expect(shelf.asked).toEqual([]);
});

test('packages that come while a call waits are the ones of the code that is current then', async () => {
  const shelf = new Shelf();
  const at = await serve(shelf);
  lambda(at, 'a', 'numpy');
  shelf.onObtain = async (_lambda, { requirements }) => {
    shelf.put(requirements[0]?.name ?? '');
    if (shelf.asked.length === 1) lambda(at, 'a', 'scipy');
  };
  expect((await at.run('a')).status).toBe(200);
  expect(shelf.asked).toEqual([
    { lambda: 'a', waitMs: 1234 },
    { lambda: 'a', waitMs: 1234 },
  ]);
  expect(at.engine.made.map(({ spec }) => spec.packages?.dir)).toEqual(['/sets/scipy']);
});

test('one that cannot be had, or not yet, is an answer, and instances of older code serve nobody meanwhile', async () => {
  const shelf = new Shelf();
  shelf.put('numpy');
  const at = await serve(shelf);
  lambda(at, 'a', 'numpy');
  expect((await at.run('a')).status).toBe(200);
  lambda(at, 'a', 'scipy');
  const failed = await at.run('a');
  expect([failed.status, JSON.parse(failed.text)]).toMatchObject([500, { errorType: 'Packages.Failed' }]);
  shelf.onObtain = () => Promise.reject(new Failure('packages-installing', 'wait'));
  const late = await at.run('a');
  expect([late.status, late.headers['retry-after']]).toEqual([503, '5']);
  lambda(at, 'a', 'numpy');
  expect((await at.run('a')).status).toBe(200);
});

test('the same code with another set runs in other sandboxes', async () => {
  const shelf = new Shelf();
  shelf.put('numpy');
  const at = await serve(shelf);
  lambda(at, 'a', 'numpy');
  expect((await at.run('a')).status).toBe(200);
  shelf.put('numpy', '/sets/newer');
  expect((await at.run('a')).status).toBe(200);
  expect(at.engine.made.map(({ spec }) => spec.packages?.dir)).toEqual(['/sets/numpy', '/sets/newer']);
});

test('a lambda that has gone, or needs nothing any more, is forgotten', async () => {
  const shelf = new Shelf();
  const at = await serve(shelf);
  expect((await at.run('nobody')).status).toBe(404);
  expect(shelf.forgotten).toEqual(['nobody']);
});
