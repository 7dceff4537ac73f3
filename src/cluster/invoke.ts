/** Calling a lambda on a worker of a cluster. */
import { Failure } from '../config/failure.ts';
import { ANSWER_BYTES_MAX } from '../config/limits.ts';
import { shellQuote } from '../lib/shell-quote.ts';
import { type Answer, ask, type Silence } from './ask.ts';
import { type FleetWorker, listFleet } from './fleet.ts';
import type { Layout } from './layout.ts';

export interface InvokeOrder {
  layout: Layout;
  lambda: string;
  /** JSON; nothing at all is the event `{}`. */
  event: Uint8Array;
  /** Number of the worker; the first that listens if it is not given. */
  worker: number | undefined;
  /** Longest wait for the answer, in milliseconds; as long as the worker takes if it is not given. */
  waitMs: number | undefined;
}

export interface Invoked {
  /** Name of the worker that was asked. */
  worker: string;
  heard: Answer | (Silence & { cause: 'late' });
}

/**
 * Sends the event to one worker, once: another is tried only where nobody listened, or takes events no more. Throws
 * Failure `unreachable` if no worker can be asked, or the one that was asked hung up.
 */
export async function invoke(order: InvokeOrder): Promise<Invoked> {
  const candidates = candidatesOf(order);
  const deaf: string[] = [];
  for (const { name, address } of candidates) {
    if (address === undefined) {
      deaf.push(`${name}: its configuration can not be read`);
      continue;
    }
    const heard = await ask(address, {
      method: 'POST',
      path: `/runLambda/${encodeURIComponent(order.lambda)}`,
      body: order.event,
      waitMs: order.waitMs,
      bytesMax: ANSWER_BYTES_MAX,
    });
    if (heard.kind === 'answer') {
      if (!isLeaving(heard)) return { worker: name, heard };
      deaf.push(`${name}: it is stopping`);
      continue;
    }
    if (heard.cause === 'late') return { worker: name, heard: { ...heard, cause: 'late' } };
    if (heard.cause === 'broken') {
      const log = order.layout.workerLog(name);
      throw new Failure('unreachable', `${name} broke off before its answer: ${heard.reason}; see ${log}`);
    }
    deaf.push(`${name}: ${heard.reason}`);
  }
  throw new Failure('unreachable', `no worker of ${order.layout.root} can be reached`, { problems: deaf });
}

/** Whether it stops and has not run the event: what an instance had has a `Server-Timing`. */
function isLeaving({ httpStatus, headers, body }: Answer): boolean {
  return httpStatus === 503 && headers['server-timing'] === undefined && STOPPING.test(body.toString('latin1'));
}

const STOPPING = /"errorType": ?"Worker\.Stopping"/;

/** Those that run, in the order of their numbers; just the one that was asked for, if one was. */
export function candidatesOf({ layout, worker }: Pick<InvokeOrder, 'layout' | 'worker'>): FleetWorker[] {
  const running = listFleet(layout).filter(({ state }) => state.kind === 'running');
  const wanted = worker === undefined ? running : running.filter(({ index }) => index === worker);
  if (wanted.length > 0) return wanted;
  const others = running.length === 0 ? '' : `; ${running.map(({ name }) => name).join(', ')} would be there`;
  throw new Failure(
    'unreachable',
    worker === undefined
      ? `no worker runs; \`admin workers --cluster=${shellQuote(layout.root)}\` starts one`
      : `worker-${worker} does not run${others}`,
  );
}
