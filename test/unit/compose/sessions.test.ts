/** How a worker gets its agent, which is scripted: what it needs may not be there at once. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { SessionParts } from '../../../src/compose/session-agent.ts';
import { openSessions } from '../../../src/compose/sessions.ts';
import type { WorkerSettings } from '../../../src/config/settings.ts';
import { openJoinFile } from '../../../src/gateway/agents/join-file.ts';
import { deferred } from '../../../src/lib/deferred.ts';
import type { GatewayAddress } from '../../../src/session/link/hello.ts';
import { scratchDir } from '../scratch-dir.ts';

test('an agent that could not be started is started all the same, and joins what there is by then', async () => {
  const dir = mkdtempSync(join(scratchDir(), 'isla-sessions-'));
  const joined = deferred<GatewayAddress | undefined>();
  const said: string[] = [];
  let tries = 0;
  const start = async () => {
    tries += 1;
    if (tries < 3) throw new Error('not yet');
    return { join: joined.resolve, close: async () => {} };
  };
  const file = openJoinFile(join(dir, 'agents'));
  file.announce('http://127.0.0.1:1');
  const parts = { log: (_level: string, message: string) => said.push(message) } as unknown as SessionParts;
  const settings = { gateway: '', gateway_dir: join(dir, 'agents') } as WorkerSettings;
  const sessions = openSessions(settings, parts, start);
  file.announce('http://127.0.0.1:2');
  expect(await joined.promise).toMatchObject({ token: file.token });
  expect(tries).toBe(3);
  expect(said).toHaveLength(1);
  await sessions.close();
  rmSync(dir, { recursive: true });
});
