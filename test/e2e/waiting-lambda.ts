/** A lambda that is in flight for exactly as long as a test wants, told by files in its scratch. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestCluster } from './cluster.ts';
import { eventually } from './eventually.ts';

/** Says by /host/started that it runs and ends when the host has made /host/go. */
export function waitingCode(answer: string): string {
  return `import os, time
def handler(event):
    os.chmod("/host", 0o777)  # on the host it may belong to an id that is not the user's
    open("/host/started", "w").close()
    while not os.path.exists("/host/go"):
        time.sleep(0.005)
    return ${JSON.stringify(answer)}
`;
}

/** Resolves with the scratch directory of the instance once its call runs. */
export function callRuns(cluster: TestCluster, lambda: string, worker = 0): Promise<string> {
  return eventually(() => {
    const dir = cluster.instanceDirs(lambda, worker).find((one) => existsSync(join(one, 'started')));
    if (dir === undefined) throw new Error(`no call of ${lambda} runs`);
    return dir;
  });
}

export function letGo(scratchDir: string): void {
  writeFileSync(join(scratchDir, 'go'), '');
}
