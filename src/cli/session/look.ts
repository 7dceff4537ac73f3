/** What there is: sessions, one of them, its console, its files. */
import type { Gateway } from '../../client/gateway.ts';
import { plainText } from '../../lib/plain-text.ts';
import type { CommandCall } from '../command.ts';
import { RunOutput } from '../shell/run-output.ts';
import { columns, shortAge, wantsColour } from '../terminal.ts';
import { type Said, sessionOf } from './said.ts';

export async function list(gateway: Gateway): Promise<Said> {
  const sessions = await gateway.sessions();
  const nowMs = Date.now();
  const rows = sessions.map(({ name, language, type, status, created, forkOf }) => [
    name,
    language,
    status.toLowerCase(),
    shortAge(Math.max(0, nowMs - created.getTime())),
    type,
    forkOf ?? '-',
  ]);
  const head = ['NAME', 'LANGUAGE', 'STATUS', 'AGE', 'TYPE', 'FORK OF'];
  return {
    lines: rows.length === 0 ? ['there are no sessions'] : columns([head, ...rows.map((row) => row.map(plainText))]),
    facts: { sessions },
  };
}

export async function info(gateway: Gateway, call: CommandCall): Promise<Said> {
  const { name } = sessionOf(gateway, call);
  const facts = await gateway.session(name).info();
  const left = (ms: number | null) => (ms === null ? '-' : shortAge(ms));
  const memory = facts.memoryUsed < 0 ? '-' : `${Math.round(facts.memoryUsed / 1_024)}`;
  const rows = [
    ['name', name],
    ['language', facts.language],
    ['status', facts.status.toLowerCase()],
    ['created', facts.creationTime],
    ['runs', String(facts.numQueriesExecuted)],
    ['running', facts.runId ?? '-'],
    ['waiting', String(facts.queued)],
    ['ends if idle for', left(facts.idleTimeLeftMs)],
    ['ends at the latest in', left(facts.lifetimeLeftMs)],
    ['memory', `${memory} of ${Math.round(facts.memoryLimit / 1_024)} MiB`],
    ['network', facts.network],
    ['agent', facts.agent],
    ['fork of', facts.forkOf ?? '-'],
  ];
  return { lines: columns(rows.map((row) => row.map(plainText))), facts: { name, ...facts } };
}

export async function logs(gateway: Gateway, call: CommandCall): Promise<Said | number> {
  const { caller, flags } = call;
  const text = await sessionOf(gateway, call).logs();
  if (flags.json) return { lines: [], facts: { logs: text } };
  const { stdout, stderr, env } = caller;
  const output = new RunOutput({ stdout, stderr, hasColour: wantsColour(stdout, env, 'auto'), mediaDir: undefined });
  output.show(['stdout', text], undefined);
  output.finish();
  return 0;
}

/** `session files NAME [PATH]`. */
export async function files(gateway: Gateway, call: CommandCall): Promise<Said> {
  const found = await sessionOf(gateway, call).files.list(call.args[2]);
  const rows = found.map(({ mode, size, mtime, filename }) => [
    mode,
    String(size),
    new Date(mtime * 1_000).toISOString(),
    filename,
  ]);
  return { lines: columns(rows.map((row) => row.map(plainText))), facts: { files: found } };
}
