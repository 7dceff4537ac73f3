import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readMachineMemory } from '../../../src/lib/machine-memory.ts';
import { scratchDir } from '../scratch-dir.ts';

let proc: string;

beforeEach(() => {
  proc = mkdtempSync(join(scratchDir(), 'isla-proc-'));
  mkdirSync(join(proc, 'pressure'));
});
afterEach(() => rmSync(proc, { recursive: true }));

function write(name: string, text: string): void {
  writeFileSync(join(proc, name), text);
}

test('this machine has memory, and some of it is free', () => {
  const { totalBytes, availableBytes, stalledPercent } = readMachineMemory();
  expect(availableBytes).toBeGreaterThan(0);
  expect(totalBytes).toBeGreaterThan(availableBytes);
  expect(stalledPercent).toBeGreaterThanOrEqual(0);
});

test('units are those of the kernel', () => {
  write('meminfo', 'MemTotal:        2000 kB\nMemFree:  5 kB\nMemAvailable:    1000 kB\n');
  write(
    'pressure/memory',
    'some avg10=12.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=1.00 avg60=0 avg300=0 total=1\n',
  );
  expect(readMachineMemory(proc)).toEqual({ totalBytes: 2_048_000, availableBytes: 1_024_000, stalledPercent: 12.5 });
});

test('a kernel that does not count stalls has none', () => {
  write('meminfo', 'MemTotal: 2 kB\nMemAvailable: 1 kB\n');
  expect(readMachineMemory(proc).stalledPercent).toBe(0);
});

test('a kernel too old to say what is available is an error that names it', () => {
  write('meminfo', 'MemTotal: 2 kB\n');
  expect(() => readMachineMemory(proc)).toThrow('MemAvailable');
});
