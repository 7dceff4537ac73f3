/** Kept calls, for people and as JSON. */
import { plainLines, plainText } from '../lib/plain-text.ts';
import { columns, mebibytes, type Paint } from './terminal.ts';

/** Times are in milliseconds. */
export interface ShownCall {
  worker: string;
  requestId: string;
  lambda: string;
  version: string | null;
  instance: number | null;
  cold: boolean | null;
  outcome: string;
  errorType: string | null;
  startedMs: number;
  durationMs: number;
  queueMs: number | null;
  initMs: number | null;
  runMs: number | null;
  cpuMs: number | null;
  memoryBytes: number | null;
  eventBytes: number;
  resultBytes: number;
}

export interface WholeCall extends ShownCall {
  /** Null if it is not kept. */
  event: Uint8Array | null;
  result: Uint8Array | null;
  output: Uint8Array | null;
  outputCut: boolean;
}

export interface ShownCost {
  sinceMs: number;
  lambdas: readonly { lambda: string; memoryMb: number; calls: number; ms: number; dollars: readonly number[] }[];
  offers: readonly { name: string; source: string; dollars: number }[];
}

export function callTable(calls: readonly ShownCall[], paint: Paint): string[] {
  const rows = calls.map((call) => [
    new Date(call.startedMs).toISOString(),
    call.worker,
    call.lambda,
    call.requestId,
    shortMs(call.durationMs),
    call.cold === null ? '-' : call.cold ? 'cold' : 'warm',
    outcomeOf(call),
  ]);
  const lines = columns([['STARTED', 'WORKER', 'LAMBDA', 'REQUEST', 'TOOK', 'START', 'OUTCOME'], ...rows]);
  return lines.map((line, at) => (calls[at - 1]?.outcome === 'result' || at === 0 ? line : paint('red', line)));
}

export function callLines(call: WholeCall, paint: Paint): string[] {
  const rows: (readonly [string, string])[] = [
    ['request', call.requestId],
    ['lambda', call.lambda],
    ['version', call.version ?? '-'],
    ['instance', call.instance === null ? '-' : `${call.worker} ${call.lambda}/${call.instance}`],
    ['started', new Date(call.startedMs).toISOString()],
    ['took', timesOf(call)],
    ['CPU', call.cpuMs === null ? '-' : shortMs(call.cpuMs)],
    ['memory', mebibytes(call.memoryBytes)],
    ['outcome', paint(call.outcome === 'result' ? 'green' : 'red', outcomeOf(call))],
  ];
  return [
    ...columns(rows),
    ...section('event', call.event, call.eventBytes, paint),
    ...section('result', call.result, call.resultBytes, paint),
    ...(call.output === null ? [] : section('output', call.output, call.output.length, paint)),
    ...(call.outputCut ? [paint('dim', '(cut here: the rest is not kept)')] : []),
  ];
}

/** One JSON object. Event and result stand in it as they came: a round trip would spoil large integers. */
export function callFacts({ event, result, output, ...facts }: WholeCall): string {
  const parts = { event: jsonOf(event), result: jsonOf(result), output: JSON.stringify(textOf(output)) };
  const bodies = Object.entries(parts).map(([key, json]) => `,"${key}":${json}`);
  return `${JSON.stringify(facts).slice(0, -1)}${bodies.join('')}}`;
}

export function costLines({ sinceMs, lambdas, offers }: ShownCost): string[] {
  const since = new Date(sinceMs).toISOString().slice(0, 10);
  if (lambdas.length === 0) return [`no calls since ${since}`];
  const rows = lambdas.map(({ lambda, memoryMb, calls, ms, dollars }) => [
    lambda,
    `${memoryMb} MiB`,
    String(calls),
    `${(ms / 1_000).toFixed(1)} s`,
    ...dollars.map(money),
  ]);
  const numbers = offers.map((_, at) => `[${at + 1}]`);
  const total = ['all', '', '', '', ...offers.map(({ dollars }) => money(dollars))];
  return [
    `Calls since ${since}, and what they would have cost elsewhere by list price, without free allowances, in dollars:`,
    ...columns([['LAMBDA', 'MEMORY', 'CALLS', 'TIME', ...numbers], ...rows, total]),
    ...offers.map(({ name, source }, at) => `[${at + 1}] ${name}, ${source}`),
  ];
}

function outcomeOf({ outcome, errorType }: ShownCall): string {
  return errorType === null ? outcome : `${outcome} (${plainText(errorType)})`;
}

function timesOf({ durationMs, queueMs, initMs, runMs, cold }: ShownCall): string {
  if (runMs === null) return shortMs(durationMs);
  const init = initMs ? `, init ${shortMs(initMs)}` : '';
  return `${shortMs(durationMs)}: queue ${shortMs(queueMs ?? 0)}${init}, run ${shortMs(runMs)}, ${cold ? 'cold' : 'warm'}`;
}

function section(title: string, bytes: Uint8Array | null, length: number, paint: Paint): string[] {
  const head = paint('bold', `${title}:`);
  if (bytes === null && length > 0) return [head, paint('dim', `(${length} bytes; longer than is kept)`)];
  if (bytes === null || length === 0) return [];
  return [head, ...plainLines((textOf(bytes) as string).replace(/\n$/, ''))];
}

/** What a sandbox calls JSON need not be. */
function jsonOf(bytes: Uint8Array | null): string {
  const text = textOf(bytes);
  if (text === null) return 'null';
  try {
    JSON.parse(text);
    return text.trim();
  } catch {
    return JSON.stringify(text);
  }
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('utf8');
}

function shortMs(ms: number): string {
  return `${ms.toFixed(ms < 10 ? 2 : 1)} ms`;
}

function money(dollars: number): string {
  return dollars.toFixed(dollars >= 1 ? 2 : 6);
}
