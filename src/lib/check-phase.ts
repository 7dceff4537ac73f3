/**
 * The event loop's next check phase: it comes after everything that the kernel had to say until now
 * (sockets, file watchers) has been delivered. All who ask in one turn share a promise and go on in
 * the order in which they asked.
 */
export class CheckPhase {
  #next: Promise<void> | undefined;

  next(): Promise<void> {
    this.#next ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#next = undefined;
        resolve();
      });
    });
    return this.#next;
  }
}
