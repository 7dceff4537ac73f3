/** Isla's registry as any other S3 store: a way to it on which its own API is not there. */
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export class PlainStore {
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async before(registryUrl: string): Promise<PlainStore> {
    const server = createServer((incoming, outgoing) => {
      if (incoming.url?.startsWith('/-/')) {
        outgoing.writeHead(404).end('<Error><Code>NoSuchBucket</Code></Error>');
        return;
      }
      const { method, headers } = incoming;
      const asked = request(new URL(incoming.url ?? '/', registryUrl), { method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      asked.once('error', () => outgoing.destroy());
      incoming.pipe(asked);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new PlainStore(server);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
