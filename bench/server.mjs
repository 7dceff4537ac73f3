/** A server in a process of its own, which prints its port first, or is given one. */
import { spawn } from 'node:child_process';
import { createConnection, createServer } from 'node:net';
import { pause } from './bed.mjs';

const READY_WAIT_MS = 60_000;
const END_WAIT_MS = 5_000;

/** `{ port, pid, readyMs, stop }`. `port` undefined: it prints it. */
export async function startServer(file, args, { port, cwd, env } = {}) {
  const began = performance.now();
  const child = spawn(file, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (piece) => {
      said = (said + piece).slice(-4_000);
    });
  }
  const ended = new Promise((done) => child.once('close', done).once('error', done));
  const dead = ended.then(() => {
    throw new Error(`${file} ended:\n${said}`);
  });
  dead.catch(() => {});
  const ready = port === undefined ? printedPort(child) : listens(port);
  const stop = async () => {
    signalGroup(child.pid, 'SIGTERM');
    const timer = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), END_WAIT_MS);
    await ended;
    clearTimeout(timer);
  };
  try {
    const at = await Promise.race([ready, dead]);
    return { port: at, pid: child.pid, readyMs: performance.now() - began, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

function printedPort(child) {
  return new Promise((done) => child.stdout.once('data', (line) => done(Number(line))));
}

/** Servers of others do not say when they listen. */
async function listens(port) {
  for (const until = Date.now() + READY_WAIT_MS; Date.now() < until; await pause(20)) {
    if (await connects(port)) return port;
  }
  throw new Error(`nobody listens on port ${port} after ${READY_WAIT_MS / 1_000} s`);
}

function connects(port) {
  return new Promise((done) => {
    const socket = createConnection({ port, host: 'localhost' });
    socket.once('connect', () => done(true)).once('error', () => done(false));
    socket.once('connect', () => socket.destroy());
  });
}

export async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, 'localhost', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}
