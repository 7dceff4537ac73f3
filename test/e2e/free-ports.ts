import { createServer } from 'node:net';

/**
 * Ports that follow each other and are free. From below the range that the kernel gives to
 * outgoing connections, starting where no test beside this one starts. And above 10080, which
 * `fetch` takes for a port of another protocol and refuses.
 */
export async function freePorts(count: number): Promise<number[]> {
  const start = 11_000 + ((process.pid * 67) % 2_000) * 10;
  for (let first = start; first < 32_000; first += count) {
    const ports = Array.from({ length: count }, (_, index) => first + index);
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) return ports;
  }
  throw new Error(`no ${count} free ports in a row above ${start}`);
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((done) => {
    server.once('error', () => done(false));
    server.listen(port, () => server.close(() => done(true)));
  });
}
