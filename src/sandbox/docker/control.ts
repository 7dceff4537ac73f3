/**
 * The socket on which a container says that it waits, and on which it is then told what to serve. Listened on before
 * the container starts, so that nobody has to look again and again whether it is ready.
 */
import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';

const WAITING = '{"waiting":true}\n';

export class Control {
  readonly #server: Server;
  #socket: Socket | undefined;
  /** Resolves when the container waits; rejects if it says something else, or hangs up before it has. */
  readonly waits: Promise<void>;

  private constructor(server: Server) {
    this.#server = server;
    this.waits = this.#hear();
    this.waits.catch(() => {});
  }

  static async listen(path: string): Promise<Control> {
    const server = createServer().listen(path);
    await once(server, 'listening');
    // The container is somebody else's, by its id.
    chmodSync(path, 0o666);
    return new Control(server);
  }

  async #hear(): Promise<void> {
    const [socket] = (await once(this.#server, 'connection')) as [Socket];
    this.#server.close();
    this.#socket = socket;
    let said = '';
    socket.setEncoding('utf8').on('error', () => {});
    for await (const piece of socket.iterator({ destroyOnReturn: false })) {
      said += piece as string;
      if (said.length >= WAITING.length) break;
    }
    if (said !== WAITING)
      throw new Error(said === '' ? 'it hung up before it was ready' : 'it said what was not asked');
  }

  /** Whoever is told serves, and hangs up. */
  tell(description: object): void {
    this.#socket?.write(`${JSON.stringify(description)}\n`);
  }

  close(): void {
    this.#server.close();
    this.#socket?.destroy();
  }
}
