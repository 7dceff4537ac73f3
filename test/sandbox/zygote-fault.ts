/** Zygotes that fail when they start, from when the test says so until it says otherwise. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from './engine-fixture.ts';
import type { ProgramCopy } from './program-copy.ts';

const MAIN = 'def main() -> None:\n';

/** The program is read once for all zygotes; what they see of the host afterwards is the base's /etc. */
export function plantFault(program: ProgramCopy, fault: string): void {
  const armed = `${MAIN}    if os.path.exists("/etc/fault"):\n        ${fault}\n`;
  program.falsify('sandbox/sock/zygote/zygote.py', MAIN, armed);
}

export function armFault(bench: Bench): void {
  writeFileSync(faultFile(bench), '');
}

export function disarmFault(bench: Bench): void {
  rmSync(faultFile(bench));
}

function faultFile(bench: Bench): string {
  return join(bench.dir, '../base-etc/fault');
}
