/** What a worker answers over HTTP, on one port. */
import { addAsyncRoutes } from '../async/routes.ts';
import { type AwsOptions, addAwsRoutes } from '../aws/routes.ts';
import { addConsoleRoutes } from '../console/routes.ts';
import { createApp } from '../http/app.ts';
import type { BodyMemory } from '../http/body-memory.ts';
import { listen } from '../http/listen.ts';
import type { Listener } from '../http/listener.ts';
import { measured } from '../http/request-metrics.ts';
import { UnreadAnswers } from '../http/unread-answers.ts';
import { addHttpFunctionRoutes, type HttpFunctionOptions } from '../http-functions/routes.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { Engine } from '../sandbox/sandbox.ts';
import type { CallTally } from '../worker/call-tally.ts';
import { addHealthRoutes } from '../worker/health-routes.ts';
import { addWorkerRoutes } from '../worker/routes.ts';
import { workerStatus } from '../worker/status.ts';
import type { Worker } from '../worker/worker.ts';
import { addMetricsRoute } from '../worker/worker-metrics.ts';
import type { AsyncCalls } from './async-calls.ts';
import type { ConsoleParts } from './console.ts';

export interface Served
  extends Pick<AwsOptions, 'access' | 'functions' | 'source' | 'tails'>,
    Pick<HttpFunctionOptions, 'tellsFailures'> {
  worker: Worker;
  engine: Engine;
  tally: CallTally;
  metrics: Metrics;
  /** For events. */
  bodies: BodyMemory;
  /** Asynchronous ones; there are none if it is not given. */
  calls?: AsyncCalls;
  /** For answers; a new one if it is not given. */
  unread?: UnreadAnswers;
  /** Undefined if there is none. */
  console?: ConsoleParts | undefined;
  log: Log;
}

export function serveWorker(served: Served, address: { host: string; port: number }): Promise<Listener> {
  const { bodies, calls, log, metrics } = served;
  const app = createApp(log);
  const { unread = new UnreadAnswers({ log }) } = served;
  addWorkerRoutes(app, { ...served, unread });
  addAwsRoutes(app, { ...served, unread, queue: calls?.queue });
  if (calls !== undefined) addAsyncRoutes(app, { ...served, unread, queue: calls.queue });
  addHttpFunctionRoutes(app, { ...served, unread });
  addHealthRoutes(app, served);
  addMetricsRoute(app, { ...served, updates: calls === undefined ? [] : [() => calls.updateMetrics()] });
  if (served.console !== undefined) addConsoleRoutes(app, { ...served.console, status: () => workerStatus(served) });
  return listen(measured(app, metrics), { ...address, bodies, log });
}
