/**
 * Stands in for `dist/main.js worker-exec`: takes the same flags, holds its pid file, serves
 * /status and stops on SIGTERM. FAKE_WORKER makes it fail in one of several ways. As workers do, it
 * outlives whoever started it; but it ends with the test, whose socket FAKE_WORKER_LIFELINE names.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';

// Also if the test is gone already: then nobody is there to connect to.
const lifeline = connect(process.env.FAKE_WORKER_LIFELINE);
lifeline.on('error', () => {});
lifeline.on('close', () => process.exit(1));
lifeline.resume();

const config = JSON.parse(readFileSync(process.argv.find((arg) => arg.startsWith('--config=')).slice(9), 'utf8'));
const [way, whose] = (process.env.FAKE_WORKER ?? '').split(':');
const mine = whose === undefined || config.pid_file.endsWith(`/${whose}.pid`);

const pidFile = openSync(config.pid_file, 'a+');
if (spawnSync('flock', ['-x', '-w', '1', '3'], { stdio: ['ignore', 'ignore', 'ignore', pidFile] }).status !== 0) {
  process.exit(8);
}
ftruncateSync(pidFile);
writeSync(pidFile, String(process.pid));
if (way === 'dies' && mine) {
  process.stdout.write('starting\nit can not go on\n');
  process.kill(process.pid, 'SIGKILL');
}

const server = createServer((_request, response) => {
  const sandboxes = [{ lambda: 'hello', instance: 3, engine: 'sock', state: 'idle', memory_bytes: 2_097_152 }];
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ state: 'ready', sandboxes }));
});
server.listen(Number(config.worker_port), config.worker_host, () => {
  if (way === 'hangs' && mine) return;
  writeSync(3, `${JSON.stringify({ ready: true, port: server.address().port, pid: process.pid })}\n`);
  closeSync(3);
});
process.on('SIGTERM', () => {
  if (way === 'stays' && mine) return;
  rmSync(config.pid_file, { force: true });
  process.exit(0);
});
