import { type DestinationStream, pino, stdTimeFunctions } from 'pino';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** One event: a constant message, and what was particular about it as facts. An Error goes in as `err`. */
export type Log = (level: LogLevel, message: string, facts?: Record<string, unknown>) => void;

export interface LogOptions {
  /** In every line, so that logs of several programs can be told apart. */
  name: string;
  level: LogLevel;
}

/** Readable lines if the stream is a terminal, one JSON object per line otherwise. */
export function openLog(stream: NodeJS.WritableStream, options: LogOptions): Log {
  // A reader that goes away (`| head`) must not end a program that serves others.
  stream.on('error', () => {});
  const terminal = 'isTTY' in stream && stream.isTTY === true;
  const destination: DestinationStream = {
    write: (line) => {
      stream.write(terminal ? readableLine(line) : line);
    },
  };
  const logger = pino({ name: options.name, level: options.level, timestamp: stdTimeFunctions.isoTime }, destination);
  return (level, message, facts) => {
    if (facts === undefined) logger[level](message);
    else logger[level](facts, message);
  };
}

const LEVEL_WORDS: Record<number, string> = { 10: 'trace', 20: 'debug', 30: 'info ', 40: 'WARN ', 50: 'ERROR' };

/** `12:34:56.789 info  worker ready  port=8080 engine=sock`, with the stack of an error below. */
export function readableLine(json: string): string {
  const { level, time, msg, err, name: _name, pid: _pid, hostname: _hostname, ...facts } = JSON.parse(json);
  const words = Object.entries(facts).map(([key, value]) => `${key}=${factWord(value)}`);
  const head = `${String(time).slice(11, 23)} ${LEVEL_WORDS[level] ?? level} ${msg}`;
  const stack = err === undefined ? '' : `\n${err.stack ?? err.message}`;
  return `${[head, words.join(' ')].filter(Boolean).join('  ')}${stack}\n`;
}

function factWord(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  return /^[\w./:@%+-]+$/.test(value) ? value : JSON.stringify(value);
}
