/** Streams of Docker's API. */
import { createInterface } from 'node:readline';

/** All that it says, as text. */
export async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const piece of stream) text += String(piece);
  return text;
}

/** A stream of one JSON value per line. */
export async function* readJsonLines(stream: NodeJS.ReadableStream): AsyncGenerator<unknown> {
  for await (const line of createInterface({ input: stream })) if (line !== '') yield JSON.parse(line);
}
