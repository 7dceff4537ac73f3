/** Reads what a store answers: JSON of Isla's registry, or the error that either kind gives. */
import type { IncomingMessage } from 'node:http';
import { Failure } from '../config/failure.ts';
import { isPlain } from '../config/parse.ts';
import { plainText } from '../lib/plain-text.ts';
import { STORE_ANSWER_BYTES_MAX } from './limits.ts';

/** The whole body. Throws Error if the answer is broken off, or longer than any such answer. */
export async function readText(answer: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of answer as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > STORE_ANSWER_BYTES_MAX) throw new Error('it answers more than a registry would');
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** The JSON object that a successful answer holds. Throws Failure otherwise. */
export async function readObject(answer: IncomingMessage): Promise<Record<string, unknown>> {
  if (answer.statusCode !== 200) throw await refusalOf(answer);
  const text = await readText(answer);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Failure('registry-refused', 'the registry answers something that is not JSON', { cause: error });
  }
  if (isPlain(value)) return value;
  throw new Failure('registry-refused', 'the registry answers something that is no JSON object');
}

/** What an answer that is no success means. */
export async function refusalOf(answer: IncomingMessage): Promise<Failure> {
  const { statusCode: status = 0 } = answer;
  const { type, message } = saidIn(await readText(answer));
  const said = message === '' ? `HTTP status ${status}` : plainText(message);
  if (type === 'InvalidBundle') return new Failure('lambda-invalid', said);
  if (type === 'NoSuchLambda' || type === 'NoSuchVersion') return new Failure('lambda-missing', said);
  if (type === 'NameTaken') return new Failure('conflict', said);
  if (status >= 500 || status === 429) {
    return new Failure('registry-unreachable', `the registry can not answer: ${said}${typed(type)}`);
  }
  const hint = HINTS[type] ?? (status === 403 && type === '' ? HINTS.SignatureDoesNotMatch : undefined);
  return new Failure('registry-refused', `the registry refuses: ${said}${typed(type)}${hint ? `; ${hint}` : ''}`);
}

/** What it says where it looks as if only the object were missing. */
export function isBucketMissing({ message }: Failure): boolean {
  return message.includes('NoSuchBucket');
}

/** Reads the answer to its end, so that its connection can be used again. */
export async function discard(answer: IncomingMessage): Promise<void> {
  for await (const _ of answer);
}

const HINTS: Readonly<Record<string, string | undefined>> = {
  SignatureDoesNotMatch: 'the keys are not those of the registry',
  InvalidAccessKeyId: 'the keys are not those of the registry',
  RequestTimeTooSkewed: "this machine's clock and the registry's differ too much",
  NoSuchBucket: 'make the bucket first, or set registry_bucket',
};

function typed(type: string): string {
  return type === '' ? '' : ` (${plainText(type)})`;
}

function saidIn(text: string): { type: string; message: string } {
  if (text.startsWith('{')) {
    try {
      const { errorType = '', errorMessage = '' } = JSON.parse(text) as Record<string, unknown>;
      return { type: String(errorType), message: String(errorMessage) };
    } catch {
      return { type: '', message: '' }; // Not JSON after all: the status has to do.
    }
  }
  return { type: elementOf(text, 'Code'), message: elementOf(text, 'Message') };
}

/** The text of the first such element; an error of S3 has each once. */
export function elementOf(xml: string, name: string): string {
  const text = new RegExp(`<${name}>([^<]{0,2000})</${name}>`).exec(xml)?.[1] ?? '';
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, entity: string) => ENTITIES[entity] as string);
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
