/**
 * A developer in a thread of his own: changes a lambda, asks the server which code runs now, and
 * counts the answers that were not the last change. Protocol: one line with the lambda's name there,
 * one line with its code's text back.
 */
import { cpSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';

/** `rounds` is a whole number: the client goes on until it has asked exactly so often. */
const { port, registryDir, elsewhereDir, lambda, style, rounds } = workerData;
const dir = join(registryDir, lambda);
const file = join(dir, 'lambda_func.py');

const STYLES = {
  'write in place': (text) => writeFileSync(file, text),
  'write beside and rename': (text) => {
    writeFileSync(`${file}.tmp`, text);
    renameSync(`${file}.tmp`, file);
  },
  'write a module below': (text) => writeFileSync(join(dir, 'pkg', 'deep', 'inner.py'), text),
  'replace the directory by mv': (text, round) => {
    const fresh = join(elsewhereDir, `${lambda}-${round}`);
    mkdirSync(fresh);
    writeFileSync(join(fresh, 'lambda_func.py'), text);
    renameSync(dir, join(elsewhereDir, `${lambda}-${round}-old`));
    renameSync(fresh, dir);
  },
  'remove and copy anew': (text, round) => {
    const fresh = join(elsewhereDir, `${lambda}-${round}`);
    mkdirSync(fresh);
    writeFileSync(join(fresh, 'lambda_func.py'), text);
    rmSync(dir, { recursive: true });
    cpSync(fresh, dir, { recursive: true });
  },
  'write behind a link': (text) => writeFileSync(join(elsewhereDir, lambda, 'lambda_func.py'), text),
  'turn the link elsewhere': (text, round) => {
    const target = join(elsewhereDir, `${lambda}-${round % 3}`);
    mkdirSync(target, { recursive: true });
    writeFileSync(join(target, 'lambda_func.py'), text);
    unlinkSync(dir);
    symlinkSync(target, dir);
  },
};

const socket = connect(port, '127.0.0.1');
socket.setNoDelay(true);
let round = 0;
const stale = [];

function next() {
  if (round === rounds) {
    socket.end();
    parentPort.postMessage(stale);
    return;
  }
  round += 1;
  STYLES[style](`# version ${round}`, round);
  socket.write(`${lambda}\n`);
}

if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`${rounds} is no number of rounds`);

let answer = '';
socket.on('connect', next);
socket.on('data', (piece) => {
  answer += piece;
  if (!answer.endsWith('\n')) return;
  if (answer.trim() !== `# version ${round}`) stale.push(`asked for version ${round}, got ${answer.trim()}`);
  answer = '';
  next();
});
