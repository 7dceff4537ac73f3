import type { CallEntry } from '../cluster/lambda-log.ts';
import type { WorkerEntry } from '../cluster/lambda-log-reader.ts';
import { plainText } from '../lib/plain-text.ts';
import type { Paint } from './terminal.ts';

const CUT = '(cut here: more than output_kb was printed, and the rest is lost)';

/** An entry for people: each line begins with whose it is, so that no handler can write one in another's name. */
export function entryLines(entry: WorkerEntry, paint: Paint): string {
  const { time, worker, lambda, instance, requestId } = entry;
  const head = paint('dim', `${time} ${worker} ${lambda}/${instance ?? '-'} ${requestId ?? '-'}`);
  if (entry.type === 'start') return `${head} START\n`;
  if (entry.type === 'call') return `${head} ${callWords(entry, paint)}\n`;
  const start = `${head} ${entry.stream === 'stderr' ? paint('yellow', 'stderr') : 'stdout'}`;
  const lines = entry.text.replace(/\n$/, '').split('\n').map(plainText);
  if (entry.cut) lines.push(paint('dim', CUT));
  return lines.map((line) => `${start} ${line}\n`).join('');
}

function callWords(entry: CallEntry, paint: Paint): string {
  const { outcome, errorType, durationMs, queueMs, initMs, runMs, cold, cpuMs, memoryBytes } = entry;
  const good = outcome === 'result' ? paint('green', outcome) : paint('red', outcome);
  const facts = [
    errorType,
    `${durationMs} ms`,
    runMs === undefined
      ? undefined
      : `queue ${queueMs} ms, ${cold ? 'cold' : 'warm'}, ${initMs === undefined ? '' : `init ${initMs} ms, `}run ${runMs} ms`,
    cpuMs === undefined ? undefined : `CPU ${cpuMs} ms`,
    memoryBytes === undefined ? undefined : `${(memoryBytes / 1_048_576).toFixed(1)} MiB`,
  ];
  return `END ${good} ${facts.filter((fact) => fact !== undefined).join(', ')}`;
}
