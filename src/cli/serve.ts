/** One of a cluster's servers in this process, from its pid file to its end. */
import { holdPidFile } from '../cluster/pid-file.ts';
import { type Server, writeServerAddress } from '../cluster/server.ts';
import { Failure } from '../config/failure.ts';
import type { CommandCall } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { sayReady } from './ready-fd.ts';
import { StopRequest } from './stop-request.ts';

export interface Serving {
  port: number;
  /** Finishes what is in flight; resolves when it is gone. */
  stop(reason: string): Promise<void>;
  /** Resolves if it can serve no longer. */
  readonly failed: Promise<Failure>;
}

/** Serves until a first signal, which lets it finish, or a second. Throws Failure if it runs already, can not start or go on. */
export async function serve(
  { flags, caller }: CommandCall,
  server: Server,
  host: string,
  start: () => Promise<Serving>,
): Promise<number> {
  const stop = new StopRequest();
  const unlisten = caller.onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], (signal) => stop.ask(signal));
  const pidFile = holdPidFile(server.pidFile);
  try {
    const serving = await start();
    writeServerAddress(server, { host, port: serving.port });
    if (typeof flags.readyFd === 'number') sayReady(flags.readyFd, serving.port);
    const cause = await Promise.race([stop.first, serving.failed]);
    await Promise.race([serving.stop(cause instanceof Failure ? cause.message : cause), stop.second]);
    if (cause instanceof Failure) throw cause;
    return EXIT.ok;
  } finally {
    pidFile.release();
    unlisten();
  }
}
