/** Why pip, or uv, did not find what was asked for, in its own words without the places where it looked. */
import { REASON_LENGTH_MAX } from './limits.ts';

const OUT_OF_REACH =
  /Failed to establish a new connection|Connection (?:refused|reset)|Read timed out|ConnectTimeoutError|Max retries|Temporary failure in name resolution|Could not fetch URL|SSLError|ProxyError/i;
const NO_WHEEL = /No matching distribution found for (\S+)/;

/** `output` is the end of what pip printed; `sourcesToo` says whether it might have taken source distributions. */
export function pipReason(output: string, sourcesToo = false): string {
  if (/\[Errno 28\]|No space left on device/.test(output)) return 'the disk is full where pip keeps what it fetches';
  const told = output
    .split('\n')
    .map((line) => withoutPlaces(line.trim()))
    .filter((line) => line !== '');
  const first = told.findIndex((line) => /^(?:ERROR|CRITICAL|The conflict is caused by)/.test(line));
  const reasons =
    first === -1 ? told.slice(-5) : told.slice(first).filter((line) => !/^(?:WARNING|NOTE|\[notice\])/.test(line));
  const words = [...new Set(reasons)].map((line) => line.replace(/^ERROR: /, '')).join('; ');
  const hints: string[] = [];
  if (OUT_OF_REACH.test(output)) hints.push('an index could not be reached');
  // Without retries pip does not say a word about an index that it could not ask.
  else if (/\(from versions: none\)/.test(output)) hints.push('no index that pip asked has it, if it could ask any');
  if (NO_WHEEL.test(output) && !sourcesToo)
    hints.push('only wheels for the Python of the base are taken; a source distribution is none');
  const reason = words.length > REASON_LENGTH_MAX ? `${words.slice(0, REASON_LENGTH_MAX)}…` : words;
  return [reason === '' ? 'pip did not say why' : reason, ...hints].join('; ');
}

/** The same of uv, which draws lines around what it says. */
export function uvReason(output: string): string {
  if (/os error 28|No space left on device/.test(output)) return 'the disk is full where uv keeps what it fetches';
  const told = output
    .split('\n')
    .map((line) =>
      withoutPlaces(
        line
          .replaceAll(/[×╰╭│├─▶]/g, ' ')
          .trim()
          .replace(/^error: /, ''),
      ),
    )
    .filter((line) => line !== '' && !/^(?:warning|hint|Using|Resolved)\b/.test(line));
  const words = told.join(' ').replaceAll(/\s+/g, ' ');
  if (words === '') return 'uv did not say why';
  return words.length > REASON_LENGTH_MAX ? `${words.slice(0, REASON_LENGTH_MAX)}…` : words;
}

/** A caller of the lambda is to know what is missing, not where this machine looks for it. */
function withoutPlaces(line: string): string {
  return line
    .replaceAll(/\b(?:https?|ftp|file):\/\/[^\s'")]+/g, '<address>')
    .replaceAll(/(?<![\w.=<>~!])\/(?:[\w.+-]+\/)+[\w.+-]*/g, '<path>');
}
