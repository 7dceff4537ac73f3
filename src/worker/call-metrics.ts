/** What is counted and measured of calls, by OpenTelemetry's names for functions as a service. */
import { BoundedNames, type Counter, type Histogram, type Metrics, OTHER } from '../lib/metrics.ts';
import type { CallRecord, CallSink } from './call-record.ts';
import type { Trigger } from './invocation.ts';

/** In seconds: those of OpenTelemetry's conventions. */
export const DURATION_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] as const;

/** In bytes: 8 MiB to 1 GiB, doubling. */
const MEMORY_BOUNDS = Array.from({ length: 8 }, (_, at) => 2 ** (23 + at));

/** Lambdas that have series of their own, 40 lines each; those that come later are counted together. */
const FUNCTIONS_MAX = 500;

/** Kinds of errors that are told apart, over all lambdas: a handler's exceptions have names of its own choice. */
const ERROR_TYPES_MAX = 100;

/** All sandboxes are forked from a zygote. */
const HOW = 'fork';

/** The series of one lambda that every call may touch. */
interface FunctionSeries {
  name: string;
  /** Of calls whose callers wait. */
  invocations: Counter;
  duration: Histogram;
}

export class CallMetrics implements CallSink {
  readonly #families: ReturnType<typeof familiesOf>;
  readonly #functions = new Map<string, FunctionSeries>();
  readonly #functionNames = new BoundedNames(FUNCTIONS_MAX);
  readonly #errorTypes = new BoundedNames(ERROR_TYPES_MAX);
  readonly #queueWait: Histogram;
  readonly #memory: Histogram;
  readonly #cpu: Histogram;

  constructor(metrics: Metrics) {
    this.#families = familiesOf(metrics);
    this.#queueWait = this.#families.queueWait.of();
    this.#memory = this.#families.memory.of();
    this.#cpu = this.#families.cpu.of();
  }

  onCall(record: CallRecord): void {
    const { run, errorType } = record;
    const series = this.#seriesOf(record);
    if (run !== undefined) {
      series.duration.observe(run.runMs / 1000);
      this.#queueWait.observe(run.queueMs / 1000);
      if (run.memoryBytes !== undefined) this.#memory.observe(run.memoryBytes);
      if (run.cpuMs !== undefined) this.#cpu.observe(run.cpuMs / 1000);
      if (run.cold) this.#coldStart(series.name, run.initMs);
    }
    if (record.outcome === 'result') this.#returned(series, record.trigger);
    else if (errorType !== undefined) this.#error(series.name, record, errorType);
  }

  #returned({ name, invocations }: FunctionSeries, trigger: Trigger): void {
    if (trigger === 'http') invocations.add();
    else this.#families.invocations.of(name, trigger).add();
  }

  #seriesOf({ lambda, errorType }: CallRecord): FunctionSeries {
    const known = this.#functions.get(lambda);
    if (known !== undefined) return known;
    const name = errorType === 'Lambda.NotFound' ? OTHER : this.#functionNames.of(lambda);
    const { invocations, duration } = this.#families;
    const series = { name, invocations: invocations.of(name, 'http'), duration: duration.of(name) };
    if (name !== OTHER) this.#functions.set(lambda, series);
    return series;
  }

  #coldStart(name: string, initMs: number | undefined): void {
    this.#families.coldStarts.of(name, HOW).add();
    if (initMs !== undefined) this.#families.initDuration.of(name).observe(initMs / 1000);
  }

  #error(name: string, { outcome, trigger }: CallRecord, errorType: string): void {
    const { errors, timeouts, coldStartErrors, kills } = this.#families;
    errors.of(name, trigger, this.#errorTypes.of(errorType)).add();
    if (outcome === 'timeout') timeouts.of(name, trigger).add();
    if (outcome === 'init-failed' || errorType === 'Sandbox.Failed') coldStartErrors.of(name, HOW).add();
    const reason = KILLED[errorType];
    if (reason !== undefined) kills.of(reason).add();
  }
}

/** Sandboxes that were ended under a call, by what its caller is told. */
const KILLED: Readonly<Record<string, string>> = {
  'Sandbox.Timedout': 'timeout',
  'Runtime.OutOfMemory': 'oom',
  'Sandbox.Lost': 'lost',
};

function familiesOf(metrics: Metrics) {
  const calls = ['function', 'trigger'];
  const starts = ['function', 'how'];
  return {
    invocations: metrics.counter({ name: 'faas_invocations_total', help: 'Calls that returned.', labels: calls }),
    errors: metrics.counter({
      name: 'faas_errors_total',
      help: 'Calls that failed, by the errorType that the caller was told.',
      labels: [...calls, 'error_type'],
    }),
    timeouts: metrics.counter({ name: 'faas_timeouts_total', help: 'Calls that took too long.', labels: calls }),
    coldStarts: metrics.counter({
      name: 'faas_coldstarts_total',
      help: 'Calls that were the first of their instance.',
      labels: starts,
    }),
    coldStartErrors: metrics.counter({
      name: 'faas_coldstart_errors_total',
      help: 'Calls whose sandbox could not be made or could not load the code.',
      labels: starts,
    }),
    duration: metrics.histogram(
      { name: 'faas_invoke_duration_seconds', help: "The handler's own time, in seconds.", labels: ['function'] },
      DURATION_BOUNDS,
    ),
    initDuration: metrics.histogram(
      { name: 'faas_init_duration_seconds', help: 'What loading the code took, in seconds.', labels: ['function'] },
      DURATION_BOUNDS,
    ),
    queueWait: metrics.histogram(
      { name: 'faas_queue_wait_seconds', help: 'How long calls waited for an instance, in seconds.' },
      DURATION_BOUNDS,
    ),
    memory: metrics.histogram(
      {
        name: 'faas_mem_usage_bytes',
        help: 'The most memory that the instance of a call has taken until its end, in bytes.',
      },
      MEMORY_BOUNDS,
    ),
    cpu: metrics.histogram(
      { name: 'faas_cpu_usage_seconds', help: 'The CPU time that calls have taken, in seconds.' },
      DURATION_BOUNDS,
    ),
    kills: metrics.counter({
      name: 'faas_sandbox_kills_total',
      help: 'Sandboxes that ended under a call and not by themselves: out of memory, out of time, or lost.',
      labels: ['reason'],
    }),
  };
}
