import { readdirSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { memoryUsage, resourceUsage, uptime, version } from 'node:process';
import type { Metrics } from './metrics.ts';

/** The names that Prometheus clients of all languages give, and Node's; the returned function brings them up to date. */
export function addProcessMetrics(metrics: Metrics): () => void {
  const cpu = metrics.counter({ name: 'process_cpu_seconds_total', help: 'CPU time of the process, in seconds.' }).of();
  const gauge = (name: string, help: string) => metrics.gauge({ name, help }).of();
  gauge('process_start_time_seconds', 'Unix time at which the process started, in seconds.').set(startTimeSeconds());
  const resident = gauge('process_resident_memory_bytes', 'Resident memory of the process, in bytes.');
  const openFds = gauge('process_open_fds', 'Open file descriptors.');
  gauge('process_max_fds', 'The most file descriptors that may be open.').set(fdsMax());
  const heapTotal = gauge('nodejs_heap_size_total_bytes', "Size of V8's heap, in bytes.");
  const heapUsed = gauge('nodejs_heap_size_used_bytes', "Used part of V8's heap, in bytes.");
  const external = gauge('nodejs_external_memory_bytes', 'Memory of objects outside the heap, buffers included.');
  const utilization = gauge(
    'nodejs_eventloop_utilization',
    'Part of the time since the process started in which the event loop was busy.',
  );
  metrics
    .gauge({ name: 'nodejs_version_info', help: 'Always 1; the label is the version of Node.', labels: ['version'] })
    .of(version)
    .set(1);
  return () => {
    const { userCPUTime, systemCPUTime } = resourceUsage();
    cpu.value = (userCPUTime + systemCPUTime) / 1e6;
    const memory = memoryUsage();
    resident.set(memory.rss);
    heapTotal.set(memory.heapTotal);
    heapUsed.set(memory.heapUsed);
    external.set(memory.external);
    openFds.set(readdirSync('/proc/self/fd').length);
    utilization.set(performance.eventLoopUtilization().utilization);
  };
}

function startTimeSeconds(): number {
  return Math.round(Date.now() / 1000 - uptime());
}

function fdsMax(): number {
  const line = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
  return line?.[1] === undefined || line[1] === 'unlimited' ? Number.POSITIVE_INFINITY : Number(line[1]);
}
