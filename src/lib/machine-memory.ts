/** What the kernel says of the machine's memory, in /proc. */
import { readFileSync } from 'node:fs';

export interface MachineMemory {
  totalBytes: number;
  /** What can be had without swapping. */
  availableBytes: number;
  /** How much of the last ten seconds some process waited for memory, in percent; 0 on a kernel that does not say. */
  stalledPercent: number;
}

/** `procDir` is /proc. */
export function readMachineMemory(procDir = '/proc'): MachineMemory {
  const text = readFileSync(`${procDir}/meminfo`, 'latin1');
  return {
    totalBytes: kilobytes(text, 'MemTotal') * 1024,
    availableBytes: kilobytes(text, 'MemAvailable') * 1024,
    stalledPercent: stalledPercent(procDir),
  };
}

function kilobytes(text: string, name: string): number {
  const found = new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(text);
  if (found === null) throw new Error(`/proc/meminfo has no ${name}`);
  return Number(found[1]);
}

function stalledPercent(procDir: string): number {
  let text: string;
  try {
    text = readFileSync(`${procDir}/pressure/memory`, 'latin1');
  } catch (error) {
    // ENOENT: built without it. EOPNOTSUPP: switched off at boot.
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EOPNOTSUPP') return 0;
    throw error;
  }
  return Number(/^some avg10=([\d.]+)/m.exec(text)?.[1] ?? 0);
}
