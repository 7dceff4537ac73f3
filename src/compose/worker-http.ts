/** What a worker answers over HTTP, on one port. */
import { ASYNC_ENDPOINTS, addAsyncRoutes } from '../async/routes.ts';
import { AWS_API, type AwsOptions, addAwsRoutes } from '../aws/routes.ts';
import type { FailureCode } from '../config/failure.ts';
import { addConsoleRoutes, CONSOLE_API } from '../console/routes.ts';
import { createApp, problemAnswers } from '../http/app.ts';
import type { BodyMemory } from '../http/body-memory.ts';
import type { ApiSection } from '../http/endpoint.ts';
import { listen } from '../http/listen.ts';
import type { Listener } from '../http/listener.ts';
import { toldOf } from '../http/problem.ts';
import { measured } from '../http/request-metrics.ts';
import { UnreadAnswers } from '../http/unread-answers.ts';
import { addHttpFunctionRoutes, FN_ENDPOINTS, type HttpFunctionOptions } from '../http-functions/routes.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { Engine } from '../sandbox/sandbox.ts';
import type { CallTally } from '../worker/call-tally.ts';
import { addHealthRoutes, HEALTH_ENDPOINTS } from '../worker/health-routes.ts';
import { addWorkerRoutes, CALL_ERRORS, RUN_ENDPOINTS, STATUS_ENDPOINTS } from '../worker/routes.ts';
import { workerStatus } from '../worker/status.ts';
import type { Worker } from '../worker/worker.ts';
import { addMetricsRoute, METRICS_ENDPOINTS } from '../worker/worker-metrics.ts';
import type { AsyncCalls } from './async-calls.ts';
import type { ConsoleParts } from './console.ts';

const CALLS_API: ApiSection<FailureCode> = {
  title: 'Calls',
  about:
    'Of [handlers](../handlers.md) and of [HTTP functions](../http-functions.md). Errors are `{"errorType", "errorMessage", "requestId"}`.',
  tables: [RUN_ENDPOINTS, FN_ENDPOINTS],
  errors: CALL_ERRORS,
  told: toldOf,
};

const ASYNC_API: ApiSection<FailureCode> = {
  title: 'Asynchronous calls',
  about: 'See [async.md](../async.md). Errors as above.',
  tables: [ASYNC_ENDPOINTS],
  told: toldOf,
};

const STATE_API: ApiSection<FailureCode> = {
  title: 'State',
  tables: [STATUS_ENDPOINTS, HEALTH_ENDPOINTS, METRICS_ENDPOINTS],
  told: toldOf,
};

/** All that a worker may be asked. */
export const WORKER_API: readonly ApiSection[] = [CALLS_API, ASYNC_API, STATE_API, AWS_API, CONSOLE_API];

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
  const app = createApp(WORKER_API, problemAnswers(log));
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
