/** The client as a library: what `import ... from 'isla/client'` has. */
// biome-ignore-all lint/performance/noBarrelFile: it is the package's door, and no file of its own goes through it
export { Failure } from '../config/failure.ts';
export type { AccessOptions } from './access.ts';
export type { SessionOptions } from './creation.ts';
export type { FileFact, TransferSettings } from './files.ts';
export { Gateway, type ListedSession } from './gateway.ts';
export { ProblemError } from './problem.ts';
export type { Pty, PtySize } from './pty.ts';
export type { ConsoleItem, Display, RaisedError, RunResult } from './result.ts';
export type { Listeners, Run } from './run.ts';
export { type BatchOrder, type Completions, type RunSettings, Session, type SessionInfo } from './session.ts';
