/** How long `egress` leaves an address open that a listed name was answered with; minutes are seconds here. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { type Bench, resultOf, startBench } from './engine-fixture.ts';
import { lacking, makeWorld, NET, only, type World } from './network-fixture.ts';
import { copyProgram, type ProgramCopy } from './program-copy.ts';

const lack = lacking();
const REFUSED = /^E(CONNREFUSED|HOSTUNREACH|PERM)$/;
const OPEN_SECONDS_MIN = 2;
/** Answers of the one hold for a second, of the other for a minute. */
const [BRIEF, LASTING] = ['short.example.com', 'other.example.com'];
const REACH_BRIEF = 'tcp("203.0.113.10", 443)';
const REACH_LASTING = 'tcp("203.0.113.11", 443)';

describe.skipIf(lack !== undefined)(`an address that was answered${lack === undefined ? '' : ` (${lack})`}`, () => {
  let program: ProgramCopy;
  let world: World;
  let bench: Bench;
  let sandbox: Sandbox;
  beforeAll(async () => {
    program = copyProgram();
    const seconds = (min: number) => `_SECONDS_MIN, _SECONDS_MAX = ${min}, 3600`;
    program.falsify('sandbox/sock/spawner/network/openings.py', seconds(300), seconds(OPEN_SECONDS_MIN));
    world = await makeWorld();
    bench = await startBench({
      hostPython: world.hostPython,
      programDir: program.dir,
      networkAllowed: ['none', 'outbound'],
    });
  });
  afterAll(async () => {
    await bench?.close();
    expect(world?.left()).toEqual([]);
    await world?.close();
    program.remove();
  });
  beforeEach(async () => {
    sandbox = await bench.sandbox(NET, 'net', { network: only([BRIEF, 443], [LASTING, 443]) });
    return () => sandbox.destroy();
  });
  const ask = (source: string) => resultOf(sandbox, source);
  const refused = (source: string) => expect.poll(() => ask(source)).toMatch(REFUSED);

  it('is closed again, and opened when it is answered again', async () => {
    for (let round = 0; round < 2; round += 1) {
      expect(await ask(`by_name("${BRIEF}", 443)`)).toBe('internet 203.0.113.10:443');
      await refused(REACH_BRIEF);
      // Who comes too late is refused; it is not that the network has gone.
      expect(await ask(`by_name("${LASTING}", 443)`)).toBe('internet 203.0.113.11:443');
    }
  });

  it('is closed in its own time, whether others that stay longer were answered before or after', async () => {
    expect(await ask(`by_name("${LASTING}", 443)`)).toBe('internet 203.0.113.11:443');
    expect(await ask(`by_name("${BRIEF}", 443)`)).toBe('internet 203.0.113.10:443');
    await refused(REACH_BRIEF);
    expect(await ask(REACH_LASTING)).toBe('internet 203.0.113.11:443');
    expect(await ask(`by_name("${BRIEF}", 443)`)).toBe('internet 203.0.113.10:443');
    await refused(REACH_BRIEF);
    expect(await ask(REACH_LASTING)).toBe('internet 203.0.113.11:443');
  });

  it('stays open as long as it is answered again', async () => {
    const untilMs = performance.now() + OPEN_SECONDS_MIN * 2_500;
    while (performance.now() < untilMs) {
      expect(await ask(`look_up("${BRIEF}")`)).toEqual(['203.0.113.10']);
      expect(await ask(REACH_BRIEF)).toBe('internet 203.0.113.10:443');
    }
    await refused(REACH_BRIEF);
  });

  it('keeps what was connected by then', async () => {
    await ask(`by_name("${BRIEF}", 443)`);
    expect(await ask('connect("203.0.113.10", 443)')).toBe('internet 203.0.113.10:443');
    await refused(REACH_BRIEF);
    expect(await ask('echo("still here")')).toBe('still here');
  });
});
