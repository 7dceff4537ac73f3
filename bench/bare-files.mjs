#!/usr/bin/env node
/** What the registry is measured against: a plain Node server that writes a body to a file, and reads it back. */
import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

const [dir, flush] = process.argv.slice(2);

const server = createServer(async (request, response) => {
  const path = join(dir, encodeURIComponent(request.url));
  try {
    if (request.method === 'PUT') {
      await pipeline(request, createWriteStream(path));
      if (flush === 'flush') {
        const file = await open(path, 'r+');
        await file.sync();
        await file.close();
      }
      response.end();
    } else await pipeline(createReadStream(path), response);
  } catch (error) {
    response.destroy(error);
  }
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
