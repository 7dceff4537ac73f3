/**
 * Telling systemd, or whatever started us and set NOTIFY_SOCKET, how we are: sd_notify(3).
 *
 * Node has no Unix datagram sockets, so a Python, without which there would be no sandboxes either, says it
 * for us. It waits until what it said has been read: systemd finds out whose message it is by the sender's
 * process, which must still be there then. The unit needs `NotifyAccess=all`.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findPython } from './python.ts';

const run = promisify(execFile);

/** A descriptor sent as BARRIER=1 is closed when all that came before it has been read. */
const SAY = `
import os, select, socket, sys
address, message = sys.argv[1:]
link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
link.connect("\\0" + address[1:] if address.startswith("@") else address)
link.sendall(message.encode())
ours, theirs = os.pipe()
socket.send_fds(link, [b"BARRIER=1"], [theirs])
os.close(theirs)
waiting = select.poll()
waiting.register(ours, 0)
waiting.poll(5000)
`;

const SAY_MS_MAX = 10_000;

export class ServiceManager {
  readonly #socket: string;
  readonly #onFailure: (reason: string) => void;
  /** One message after the other. */
  #saying: Promise<void> = Promise.resolve();

  /** `socket` is $NOTIFY_SOCKET: a path, or a name in the abstract namespace that begins with @; '' if nobody listens. */
  constructor(socket: string, onFailure: (reason: string) => void) {
    this.#socket = socket;
    this.#onFailure = onFailure;
  }

  /** Says `READY=1`, `STOPPING=1` and their like, one assignment each; resolves when it has been heard. Never rejects. */
  tell(...assignments: readonly string[]): Promise<void> {
    if (this.#socket !== '') this.#saying = this.#saying.then(() => this.#say(assignments.join('\n')));
    return this.#saying;
  }

  async #say(message: string): Promise<void> {
    try {
      const python = await findPython({ kind: 'host', etcDir: '' }, '');
      await run(python.path, ['-I', '-S', '-c', SAY, this.#socket, message], { timeout: SAY_MS_MAX });
    } catch (error) {
      const { stderr, message: reason } = error as { stderr?: string; message: string };
      this.#onFailure(stderr?.trim().split('\n').at(-1) || reason);
    }
  }
}
