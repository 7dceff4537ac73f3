/** `/resource`: how much a key has taken, and how much there is. Amounts are texts, as all slots of the API. */
import type { SessionFacts } from '../session/host.ts';
import { json } from './answers.ts';
import { ApiProblem } from './api-problem.ts';
import { ownerKeyOf, ownerOf } from './authentication.ts';
import type { KeyRing } from './key-ring.ts';
import type { Params } from './params.ts';
import type { Route } from './route.ts';
import type { SessionRecord } from './session-record.ts';
import type { Sessions } from './sessions.ts';
import type { Agents } from './system-routes.ts';

export interface ResourceRouteOptions {
  keys: KeyRing;
  sessions: Sessions;
  agents: Agents;
}

/** Cores and bytes. */
interface Slots {
  cpu: number;
  mem: number;
}

export function resourceRoutes(options: ResourceRouteOptions): Route[] {
  const since4 = { majors: [4], need: 'key' } as const;
  return [
    {
      method: 'GET',
      path: '/resource/presets',
      ...since4,
      answers: '200 `{"presets": []}`',
      run: () => json({ presets: [] }),
    },
    {
      method: 'POST',
      path: '/resource/check-presets',
      ...since4,
      takes: '`scaling_group`, `group`',
      answers: '200 `{"keypair_limits", "keypair_using", "keypair_remaining", "scaling_groups", …}`',
      errors: ['group-not-found', 'scaling-group-not-found'],
      run: checkPresets(options),
    },
    // There is nothing to be put right: what is used is summed up whenever somebody asks.
    {
      method: 'POST',
      path: '/resource/recalculate-usage',
      ...since4,
      need: 'superadmin',
      answers: '200 `{}`',
      run: () => json({}),
    },
  ];
}

/** Policies bound how many sessions a key has, not what they take together; and there are no groups to share anything. */
function checkPresets({ keys, sessions, agents }: ResourceRouteOptions): Route['run'] {
  return async (call) => {
    const params = await call.params();
    const owner = ownerOf(call.pair, ownerKeyOf(call, params), keys);
    checkNames(params);
    const alive = agents.agents().filter(({ state }) => state === 'alive');
    const there = sumOf(alive.map(({ capacity }) => ({ cpu: capacity.cpus, mem: capacity.memoryBytes })));
    const taken = sumOf(sessions.list().map(slotsOf));
    const left = { cpu: Math.max(0, there.cpu - taken.cpu), mem: Math.max(0, there.mem - taken.mem) };
    const unlimited = texts({ cpu: Number.POSITIVE_INFINITY, mem: Number.POSITIVE_INFINITY });
    const nothing = texts({ cpu: 0, mem: 0 });
    return json({
      keypair_limits: unlimited,
      keypair_using: texts(sumOf(sessions.list(owner.accessKey).map(slotsOf))),
      keypair_remaining: unlimited,
      group_limits: nothing,
      group_using: nothing,
      group_remaining: nothing,
      scaling_group_remaining: texts(left),
      scaling_groups: { default: { using: texts(taken), remaining: texts(left) } },
      presets: [],
    });
  };
}

/** Throws ApiProblem `invalid-api-params`, `scaling-group-not-found` or `group-not-found`. */
function checkNames(params: Params): void {
  const scalingGroup = params.text('scaling_group|scalingGroup') ?? 'default';
  const group = params.text('group|groupName|group_name') ?? 'default';
  params.check();
  const only = (name: string) => ({ detail: `There is no ${name}; there is "default".` });
  if (scalingGroup !== 'default') {
    throw new ApiProblem('scaling-group-not-found', undefined, only(`scaling group ${JSON.stringify(scalingGroup)}`));
  }
  if (group !== 'default') throw new ApiProblem('group-not-found', undefined, only(`group ${JSON.stringify(group)}`));
}

/** Nothing of one that its agent has not made yet. */
function slotsOf({ facts }: SessionRecord): Slots {
  const limits: SessionFacts['limits'] | undefined = facts?.limits;
  return { cpu: (limits?.cpu_percent ?? 0) / 100, mem: (limits?.memory_mb ?? 0) * 1_048_576 };
}

function sumOf(all: readonly Slots[]): Slots {
  return all.reduce((sum, { cpu, mem }) => ({ cpu: sum.cpu + cpu, mem: sum.mem + mem }), { cpu: 0, mem: 0 });
}

function texts({ cpu, mem }: Slots): Record<keyof Slots, string> {
  return { cpu: String(cpu), mem: String(mem) };
}
