/** The state of a worker as gauges, read when somebody asks; and the page on which all metrics are. */
import type { App } from '../http/app.ts';
import type { Endpoints } from '../http/endpoint.ts';
import { requestIdOf } from '../http/request-id.ts';
import { METRICS_CONTENT_TYPE, type Metrics } from '../lib/metrics.ts';
import { addProcessMetrics } from '../lib/process-metrics.ts';
import type { Engine } from '../sandbox/sandbox.ts';
import { memoryOf } from './status.ts';
import type { Worker } from './worker.ts';

export const METRICS_ENDPOINTS = {
  metrics: { method: 'GET', path: '/metrics', answers: '200 [metrics](metrics.md) in the text format of Prometheus' },
} as const satisfies Endpoints;

export interface MetricsPage {
  worker: Worker;
  engine: Engine;
  metrics: Metrics;
  /** What others have to set before the page is read. */
  updates?: readonly (() => Promise<void>)[];
}

const INSTANCE_STATES = ['idle', 'paused', 'busy', 'starting'] as const;

export function addMetricsRoute(app: App, page: MetricsPage): void {
  const updateWorker = addWorkerMetrics(page);
  const updateProcess = addProcessMetrics(page.metrics);
  app.add(METRICS_ENDPOINTS, {
    metrics: async (c) => {
      await updateProcess();
      await updateWorker();
      for (const update of page.updates ?? []) await update();
      const headers = {
        'Content-Type': METRICS_CONTENT_TYPE,
        'Cache-Control': 'no-store',
        'X-Request-Id': requestIdOf(c.env.incoming),
      };
      return new Response(page.metrics.text(), { headers });
    },
  });
}

function addWorkerMetrics({ worker, engine, metrics }: MetricsPage): () => Promise<void> {
  const gauge = (name: string, help: string) => metrics.gauge({ name, help }).of();
  const counter = (name: string, help: string) => metrics.counter({ name, help }).of();
  const instances = metrics.gauge({ name: 'faas_instances', help: 'Instances that live.', labels: ['state'] });
  const memory = gauge('faas_instances_memory_bytes', 'Memory charged to all instances, in bytes.');
  const waiting = gauge('faas_queue_depth', 'Calls that wait for an instance.');
  const zygotes = gauge('faas_zygotes', 'Processes that sandboxes are forked from.');
  const loaders = gauge(
    'faas_loaders',
    "Processes that have loaded a lambda's code, of which its instances are forks.",
  );
  const loadersMemory = gauge(
    'faas_loaders_memory_bytes',
    'What they take, with their part of what is shared, in bytes.',
  );
  const renewed = counter('faas_zygotes_renewed_total', 'Zygotes replaced because they had forked enough.');
  const forks = counter('faas_forks_total', 'Children that were asked of zygotes.');
  const poolWaiting = gauge('faas_pool_waiting', 'Sandboxes that wait for code.');
  const poolTarget = gauge('faas_pool_target', 'Sandboxes that are meant to wait for code.');
  const handovers = metrics.counter({
    name: 'faas_handovers_total',
    help: 'Sandboxes given code: out of the pool, or out of a fork that the call had to wait for.',
    labels: ['from'],
  });
  const updateImportCache = addImportCacheMetrics(engine, metrics);
  return async () => {
    updateImportCache();
    const counts = countStates(worker);
    for (const state of INSTANCE_STATES) instances.of(state).set(counts.get(state) ?? 0);
    waiting.set(worker.lambdas().reduce((sum, lambda) => sum + lambda.waiting, 0));
    const stats = engine.stats();
    zygotes.set(stats.zygotes);
    const views = worker.loaders();
    loaders.set(views.length);
    loadersMemory.set(views.reduce((sum, { memory_bytes }) => sum + (memory_bytes ?? 0), 0));
    renewed.value = stats.zygotesRenewed;
    forks.value = stats.forks;
    poolWaiting.set(stats.poolWaiting);
    poolTarget.set(stats.poolTarget);
    handovers.of('pool').value = stats.handedOverFromPool;
    handovers.of('fork').value = stats.handedOverEmpty;
    memory.set(sumOf(await memoryOf(engine), worker));
  };
}

/** Where there is none, there are no such metrics either. */
function addImportCacheMetrics(engine: Engine, metrics: Metrics): () => void {
  if (engine.imports === undefined) return () => {};
  const gauge = (name: string, help: string) => metrics.gauge({ name, help }).of();
  const zygotes = gauge('faas_import_cache_zygotes', 'Zygotes that have imported packages.');
  const memory = gauge(
    'faas_import_cache_memory_bytes',
    'What they take, with their part of what is shared, in bytes.',
  );
  const keptOut = gauge('faas_import_cache_kept_out', 'Sets of packages that no zygote can have imported.');
  const saved = metrics
    .counter({ name: 'faas_import_cache_saved_seconds_total', help: 'Time that imports would have taken.' })
    .of();
  const starts = metrics.counter({
    name: 'faas_import_cache_starts_total',
    help: 'Sandboxes of lambdas with packages, by whether they started from a zygote with some.',
    labels: ['result'],
  });
  return () => {
    const view = engine.imports?.();
    if (view === undefined) return;
    zygotes.set(view.zygotes.length);
    memory.set(view.zygotes.reduce((sum, { memory_bytes }) => sum + (memory_bytes ?? 0), 0));
    keptOut.set(view.kept_out.length);
    saved.value = view.saved_ms / 1000;
    starts.of('hit').value = view.hits;
    starts.of('miss').value = view.misses;
  };
}

function countStates(worker: Worker): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { state } of worker.sandboxes()) counts.set(state, (counts.get(state) ?? 0) + 1);
  return counts;
}

/** The engine also tells of those that wait in its pool. */
function sumOf(memory: ReadonlyMap<string, number>, worker: Worker): number {
  let sum = 0;
  for (const { sandboxId } of worker.sandboxes()) sum += (sandboxId && memory.get(sandboxId)) || 0;
  return sum;
}
