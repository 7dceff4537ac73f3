/**
 * Keeps a server busy over keep-alive connections and tells how it answered: with wrk where that is installed,
 * else with load.mjs. wrk takes about half the CPU, which on two cores is the servers' to use; both sides of a
 * ratio are always measured with the same one.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Connection, load, postRequest } from './load.mjs';
import { summary } from './stats.mjs';

const run = promisify(execFile);

/** `{ name, measure }`; `measure` posts to the paths by turns and resolves with `{ n, p50, p99, max, perSecond }`. */
export async function findGenerator() {
  const version = await run('wrk', ['-v']).catch((error) => error);
  if (!/^wrk /.test(version.stdout ?? '')) return { name: 'bench/load.mjs', measure: measureHere };
  return { name: version.stdout.split(' [')[0], measure: measureWithWrk };
}

async function measureHere({ paths, port, body, clients, forMs, expected }) {
  const { times, perSecond } = await load({ port, paths, body, clients, forMs, expected });
  return { ...summary(times), perSecond };
}

async function measureWithWrk(order) {
  const { paths, port, body, clients, forMs } = order;
  await checkAnswers(order);
  const dir = mkdtempSync(join(tmpdir(), 'isla-wrk-'));
  try {
    writeFileSync(join(dir, 'order.lua'), luaOrder(paths, body));
    const seconds = `${Math.ceil(forMs / 1000)}s`;
    const args = ['-t1', `-c${clients}`, `-d${seconds}`, '-s', join(dir, 'order.lua'), `http://localhost:${port}/`];
    const { stdout } = await run('wrk', args);
    const told = JSON.parse(stdout.slice(stdout.indexOf('RESULT ') + 'RESULT '.length));
    if (told.failed > 0) throw new Error(`${told.failed} of ${told.n} calls failed:\n${stdout}`);
    const { n, p50, p99, max, us } = told;
    return { n, p50: p50 / 1000, p99: p99 / 1000, max: max / 1000, perSecond: (n * 1e6) / us };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** wrk looks at statuses only. */
async function checkAnswers({ paths, port, body, expected }) {
  const connection = await Connection.open(port);
  for (const path of paths) {
    const answer = await connection.send(postRequest({ port, path, body }));
    if (answer.status !== 200 || answer.body !== expected) throw new Error(`${path}: ${answer.status} ${answer.body}`);
  }
  connection.close();
}

function luaOrder(paths, body) {
  const text = (value) => `[==[${value}]==]`;
  return `
local paths, requests, turn = { ${paths.map(text).join(', ')} }, {}, 0
function init()
  for i, path in ipairs(paths) do
    requests[i] = wrk.format("POST", path, { ["Content-Type"] = "application/json" }, ${text(body)})
  end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT {"n":%d,"us":%d,"failed":%d,"p50":%d,"p99":%d,"max":%d}',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
`;
}
