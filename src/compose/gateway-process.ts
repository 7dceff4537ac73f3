/** A gateway out of its parts. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Layout } from '../cluster/layout.ts';
import { Failure } from '../config/failure.ts';
import { GATEWAY_GRACE_MS } from '../config/limits.ts';
import { openDoor } from '../gateway/agents/door.ts';
import { Fleet } from '../gateway/agents/fleet.ts';
import { openJoinFile } from '../gateway/agents/join-file.ts';
import { EventLog } from '../gateway/event-log.ts';
import { importFixture } from '../gateway/fixture.ts';
import { gatewayApp } from '../gateway/gateway-app.ts';
import { gatewayMetrics } from '../gateway/gateway-metrics.ts';
import { KeyRing } from '../gateway/key-ring.ts';
import { BODY_BYTES_MAX } from '../gateway/limits.ts';
import { ManagerStatus } from '../gateway/manager-status.ts';
import { OneShots } from '../gateway/one-shots.ts';
import { RateLimiter } from '../gateway/rate-limit.ts';
import { SessionBook } from '../gateway/session-book.ts';
import { Sessions } from '../gateway/sessions.ts';
import { OpenStreams } from '../gateway/streams/open-streams.ts';
import { openUpgrades } from '../gateway/streams/upgrade.ts';
import { rawPath } from '../http/app.ts';
import { BodyMemory } from '../http/body-memory.ts';
import { listen } from '../http/listen.ts';
import { measured } from '../http/request-metrics.ts';
import { UnreadAnswers } from '../http/unread-answers.ts';
import { writeFileAtomic } from '../lib/atomic-write.ts';
import { giveToOwnerOf } from '../lib/give-to-owner.ts';
import { type Log, type LogLevel, openLog } from '../lib/log.ts';
import { Metrics } from '../lib/metrics.ts';
import { Scope } from '../lib/scope.ts';
import { LINK_PATH, SILENCE_MS_MAX } from '../session/link/hello.ts';
import { SqliteStore } from '../store/key-value/sqlite-store.ts';
import { programDir } from './program-dir.ts';

export interface GatewayProcess {
  readonly port: number;
  /** Stops accepting, finishes what is in flight within the grace time, then ends; sessions go on. Idempotent. */
  stop(reason: string): Promise<void>;
  /** Resolves if it can serve no longer. */
  readonly failed: Promise<Failure>;
}

export interface GatewayStart {
  layout: Layout;
  /** Where the workers of the cluster look for it: the setting `gateway_dir`. */
  joinDir: string;
  host: string;
  /** 0 takes a free one. */
  port: number;
  logLevel: LogLevel;
  /** After so long a silence an agent is lost; 10 s if it is not given. */
  heartbeatTimeoutMs: number | undefined;
  /** Of the program. */
  version: string;
  /** Where agents of this machine reach it, given its port. */
  urlFor(port: number): string;
  /** A file with users and keys to add. */
  fixture: string | undefined;
  /** For the log. */
  warnings: readonly string[];
  stdout: NodeJS.WritableStream;
}

/** Resolves when it serves. Rejects with what is wrong, leaving nothing open. */
export async function startGatewayServer(start: GatewayStart): Promise<GatewayProcess> {
  const log = openLog(start.stdout, { name: 'gateway', level: start.logLevel });
  for (const warning of start.warnings) log('warn', warning);
  const scope = new Scope();
  try {
    const { port, failed } = await assemble(start, scope, log);
    log('info', 'gateway ready', { host: start.host, port });
    let stopped: Promise<void> | undefined;
    return {
      port,
      failed,
      stop(reason) {
        log('info', 'gateway stopping', { reason });
        stopped ??= scope.close().then(() => log('info', 'gateway stopped; sessions go on'));
        return stopped;
      },
    };
  } catch (error) {
    await scope.close();
    throw error;
  }
}

async function assemble(start: GatewayStart, scope: Scope, log: Log): Promise<Pick<GatewayProcess, 'port' | 'failed'>> {
  const { layout, host, version, heartbeatTimeoutMs = SILENCE_MS_MAX } = start;
  makeDirectory(layout.gatewayDir);
  const store = new SqliteStore({ program: join(programDir(), 'store', 'thread.js'), path: layout.gatewayStore, log });
  scope.onClose(() => store.close());
  await store.open();
  const keys = await KeyRing.open(store, log);
  scope.onClose(() => keys.close());
  if (start.fixture !== undefined)
    log('info', 'a fixture was imported', { ...(await importFixture(start.fixture, keys)) });
  await makeAdminKey(keys, { layout, log });
  const fleet = new Fleet(log, heartbeatTimeoutMs);
  scope.onClose(() => fleet.close());
  const book = await SessionBook.open(store, log);
  fleet.adopt(book.adopted());
  const events = new EventLog(Date.now().toString(36));
  const sessions = new Sessions({ book, keys, events, host: fleet, oneShots: new OneShots() });
  scope.onClose(
    fleet.onEvent((event) => {
      if (event.kind === 'ended') sessions.end(event.session, event.facts.ending);
    }),
  );
  const joinFile = openJoinFile(start.joinDir);
  const door = await openDoor({ fleet, token: () => joinFile.token, log });
  scope.onClose(() => door.close());
  const bodies = new BodyMemory({ bodyBytesMax: BODY_BYTES_MAX });
  const gate = { keys, rates: new RateLimiter(Date.now), bodies, unread: new UnreadAnswers({ log }), log };
  const streams = new OpenStreams();
  const metrics = new Metrics();
  const updateMetrics = gatewayMetrics(metrics, { sessions, fleet, streams });
  const status = await ManagerStatus.open(store);
  const parts = {
    keys,
    sessions,
    events,
    streams,
    status,
    metrics,
    updateMetrics,
    heartbeatTimeoutMs,
    version,
    gate,
    log,
  };
  const app = gatewayApp({ ...parts, agents: fleet });
  const upgrade = await openUpgrades(parts);
  const listener = await listen(measured(app, metrics), {
    host,
    port: start.port,
    hostSetting: '--host',
    bodies,
    log,
    upgrade: (incoming, socket, head) => {
      if (rawPath(incoming.url ?? '/') === LINK_PATH) door.upgrade(incoming, socket, head);
      else upgrade(incoming, socket, head);
    },
  });
  // What has no end of its own is ended before the listener waits for what is in flight.
  scope.onClose(() => listener.close(GATEWAY_GRACE_MS));
  scope.onClose(() => streams.closeAll());
  // Those that are not told by a file dial again.
  scope.onClose(() => door.close());
  const { port } = listener;
  joinFile.announce(start.urlFor(port));
  // A start that follows announces it anew; till then agents need not try.
  scope.onClose(() => joinFile.withdraw());
  const failed = listener.failed.then(
    (cause) => new Failure('worker-failed', `the gateway can listen no longer: ${cause.message}`, { cause }),
  );
  return { port, failed };
}

function makeDirectory(dir: string): void {
  if (existsSync(dir)) return;
  mkdirSync(dir, { mode: 0o700 });
  giveToOwnerOf(join(dir, '..'), dir);
}

/** A first start without a fixture makes a pair of keys that may everything. */
async function makeAdminKey(keys: KeyRing, { layout, log }: { layout: Layout; log: Log }): Promise<void> {
  if (!keys.isEmpty) return;
  const { accessKey, secretKey, user } = await keys.makeAdmin('admin@localhost');
  const text = JSON.stringify({ access_key: accessKey, secret_key: secretKey, user }, null, 2);
  writeFileAtomic(layout.gatewayAdminKey, `${text}\n`, 0o600);
  log('info', 'a pair of keys was made for the administrator', { accessKey, file: layout.gatewayAdminKey });
}
