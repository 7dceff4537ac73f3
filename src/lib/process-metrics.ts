import { readdirSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { getActiveResourcesInfo, memoryUsage, resourceUsage, uptime, version } from 'node:process';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { getHeapSpaceStatistics } from 'node:v8';
import type { Family, Gauge, Metrics } from './metrics.ts';

/**
 * The names that Prometheus clients of all languages give, and prom-client's for Node, as far as they cost nothing while
 * nobody asks; the returned function brings them up to date.
 */
export function addProcessMetrics(metrics: Metrics): () => Promise<void> {
  const counter = (name: string, help: string) => metrics.counter({ name, help }).of();
  const cpu = counter('process_cpu_seconds_total', 'CPU time of the process, in seconds.');
  const userCpu = counter('process_cpu_user_seconds_total', 'CPU time of the process outside the kernel, in seconds.');
  const systemCpu = counter('process_cpu_system_seconds_total', 'CPU time of the process in the kernel, in seconds.');
  const gauge = (name: string, help: string) => metrics.gauge({ name, help }).of();
  gauge('process_start_time_seconds', 'Unix time at which the process started, in seconds.').set(startTimeSeconds());
  const resident = gauge('process_resident_memory_bytes', 'Resident memory of the process, in bytes.');
  const virtual = gauge('process_virtual_memory_bytes', 'Address space of the process, in bytes.');
  const openFds = gauge('process_open_fds', 'Open file descriptors.');
  gauge('process_max_fds', 'The most file descriptors that may be open.').set(fdsMax());
  const heapTotal = gauge('nodejs_heap_size_total_bytes', "Size of V8's heap, in bytes.");
  const heapUsed = gauge('nodejs_heap_size_used_bytes', "Used part of V8's heap, in bytes.");
  const external = gauge('nodejs_external_memory_bytes', 'Memory of objects outside the heap, buffers included.');
  const lag = gauge(
    'nodejs_eventloop_lag_seconds',
    'How long a turn of the event loop took when this was asked, in seconds.',
  );
  const utilization = gauge(
    'nodejs_eventloop_utilization',
    'Part of the time since the process started in which the event loop was busy.',
  );
  metrics
    .gauge({ name: 'nodejs_version_info', help: 'Always 1; the label is the version of Node.', labels: ['version'] })
    .of(version)
    .set(1);
  const spaces = heapSpaces(metrics);
  const resources = metrics.gauge({
    name: 'nodejs_active_resources',
    help: 'What keeps the event loop going, by kind.',
    labels: ['type'],
  });
  return async () => {
    const { userCPUTime, systemCPUTime } = resourceUsage();
    cpu.value = (userCPUTime + systemCPUTime) / 1e6;
    userCpu.value = userCPUTime / 1e6;
    systemCpu.value = systemCPUTime / 1e6;
    const memory = memoryUsage();
    resident.set(memory.rss);
    virtual.set(virtualBytes());
    heapTotal.set(memory.heapTotal);
    heapUsed.set(memory.heapUsed);
    external.set(memory.external);
    openFds.set(readdirSync('/proc/self/fd').length);
    utilization.set(performance.eventLoopUtilization().utilization);
    spaces();
    setCounts(resources, getActiveResourcesInfo());
    const askedMs = performance.now();
    await nextTurn();
    lag.set((performance.now() - askedMs) / 1000);
  };
}

function heapSpaces(metrics: Metrics): () => void {
  const family = (what: string, help: string) =>
    metrics.gauge({ name: `nodejs_heap_space_size_${what}_bytes`, help, labels: ['space'] });
  const total = family('total', "Size of a part of V8's heap, in bytes.");
  const used = family('used', "Used part of a part of V8's heap, in bytes.");
  const available = family('available', "Free part of a part of V8's heap, in bytes.");
  return () => {
    for (const space of getHeapSpaceStatistics()) {
      const name = space.space_name.replace(/_space$/, '');
      total.of(name).set(space.space_size);
      used.of(name).set(space.space_used_size);
      available.of(name).set(space.space_available_size);
    }
  };
}

/** Kinds that there were, and are not any more, are 0. */
function setCounts(family: Family<Gauge>, kinds: readonly string[]): void {
  for (const { series } of family.all()) series.set(0);
  for (const kind of kinds) family.of(kind).value += 1;
}

function virtualBytes(): number {
  return Number(/^VmSize:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]) * 1024;
}

function startTimeSeconds(): number {
  return Math.round(Date.now() / 1000 - uptime());
}

function fdsMax(): number {
  const line = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
  return line?.[1] === undefined || line[1] === 'unlimited' ? Number.POSITIVE_INFINITY : Number(line[1]);
}
