// The thread that waits for interrupts of cells.mjs.
import { Session } from 'node:inspector';
import { Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

/** Longer than it takes a loop that gives way to come round, in milliseconds. */
const PATIENCE_MS = 100;
const { interruptsFd, heard } = workerData;
const session = new Session();
session.connectToMainThread();

const interrupts = new Socket({ fd: interruptsFd, readable: true, writable: false });
interrupts.on('data', () => {
  Atomics.store(heard, 0, 0);
  parentPort.postMessage('asked');
  if (Atomics.wait(heard, 0, 0, PATIENCE_MS) !== 'timed-out') return;
  session.post('Runtime.terminateExecution', () => parentPort.postMessage('ended'));
});
