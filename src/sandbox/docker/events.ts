/** What the daemon says of a worker's containers, as it happens: whose first process has ended, and how. */
import type Docker from 'dockerode';
import { readJsonLines } from './api-streams.ts';
import { slotOf } from './labels.ts';

interface Death {
  Actor: { ID: string; Attributes: Record<string, string> };
}

export interface EventsListener {
  died(slot: number, status: number): void;
  /** The daemon says nothing any more: it stopped, or was stopped. */
  lost(reason: string): void;
}

export class DockerEvents {
  readonly #stream: NodeJS.ReadableStream & { destroy?: () => void };
  #closed = false;

  private constructor(stream: NodeJS.ReadableStream, listener: EventsListener) {
    this.#stream = stream;
    void this.#read(listener);
  }

  /** Resolves when nothing that happens from now on is missed. */
  static async open(docker: Docker, labels: string[], listener: EventsListener): Promise<DockerEvents> {
    const stream = await docker.getEvents({ filters: { type: ['container'], event: ['die'], label: labels } });
    return new DockerEvents(stream, listener);
  }

  async #read(listener: EventsListener): Promise<void> {
    let reason = 'the Docker daemon hung up';
    try {
      for await (const event of readJsonLines(this.#stream)) {
        const attributes = (event as Death).Actor.Attributes;
        listener.died(slotOf(attributes), Number(attributes.exitCode));
      }
    } catch (error) {
      reason = `the Docker daemon can not be heard: ${(error as Error).message}`;
    }
    if (!this.#closed) listener.lost(reason);
  }

  close(): void {
    this.#closed = true;
    this.#stream.destroy?.();
  }
}
