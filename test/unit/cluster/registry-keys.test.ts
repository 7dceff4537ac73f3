import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { generateKeys, givenKeys, readRegistryKeys, writeRegistryKeys } from '../../../src/cluster/registry-keys.ts';
import { scratchDir } from '../scratch-dir.ts';

const DIR = mkdtempSync(join(scratchDir(), 'isla-keys-'));
afterAll(() => rmSync(DIR, { recursive: true }));

const PAIR = { accessKey: 'AK', secretKey: 'S+/=' };

describe('keys that are given', () => {
  const ENV = { ISLA_REGISTRY_ACCESS_KEY: 'AE', ISLA_REGISTRY_SECRET_KEY: 'SE' };

  test('come from the flags, else from the environment', () => {
    expect(givenKeys(PAIR, ENV)).toEqual(PAIR);
    expect(givenKeys({}, ENV)).toEqual({ accessKey: 'AE', secretKey: 'SE' });
    expect(givenKeys({ accessKey: 'AK' }, ENV)).toEqual({ accessKey: 'AK', secretKey: 'SE' });
    expect(givenKeys({}, {})).toBe(undefined);
  });

  test('are refused by halves, and where a signed request could not carry them', () => {
    expect(() => givenKeys({ accessKey: 'AK' }, {})).toThrow(
      /no secret key: give --secret-key or ISLA_REGISTRY_SECRET/,
    );
    expect(() => givenKeys({ accessKey: 'A/K', secretKey: 'S' }, {})).toThrow(/an access key is/);
    expect(() => givenKeys({ accessKey: 'AK', secretKey: 'my secret' }, {})).toThrow(/^a secret key is [^y]*$/);
  });
});

describe('the file of keys', () => {
  test('is its owner’s alone, and read back as it was written', () => {
    const file = join(DIR, 'keys.json');
    expect(readRegistryKeys(file)).toBe(undefined);
    const keys = generateKeys();
    writeRegistryKeys(file, keys);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readRegistryKeys(file)).toEqual(keys);
  });

  test('is refused if others may read it, or if it is another', () => {
    const file = join(DIR, 'other.json');
    writeRegistryKeys(file, PAIR);
    chmodSync(file, 0o640);
    expect(() => readRegistryKeys(file)).toThrow(/others may read: chmod 600 /);
    writeFileSync(file, '{"access_key": "AK"}');
    chmodSync(file, 0o600);
    expect(() => readRegistryKeys(file)).toThrow(/is not \{"access_key"/);
  });
});
