/** What is told to pages that are open, as server-sent events: each second the seconds that are over, and how the worker is. */
import type { Pulse } from './pulse.ts';

const EVERY_MS = 1_000;

export interface LiveSources {
  pulse: Pulse;
  /** What `GET /status` says. */
  status: () => Promise<object>;
}

/** Goes on until the client goes away, or the worker cuts it off. */
export function liveResponse({ pulse, status }: LiveSources, headers: Readonly<Record<string, string>>): Response {
  let timer: NodeJS.Timeout | undefined;
  let lastAt = 0;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const tell = async (): Promise<void> => {
        // A client that does not read is told nothing more until it does.
        if ((controller.desiredSize ?? 0) <= 0) return;
        const seconds = pulse.seconds().filter(({ at }) => at > lastAt);
        lastAt = seconds.at(-1)?.at ?? lastAt;
        const data = JSON.stringify({ nowMs: Date.now(), seconds, status: await status() });
        if (timer !== undefined) controller.enqueue(Buffer.from(`data: ${data}\n\n`));
      };
      timer = setInterval(() => {
        tell().catch((error: unknown) => {
          clearInterval(timer);
          controller.error(error);
        });
      }, EVERY_MS);
      return tell();
    },
    cancel() {
      clearInterval(timer);
      timer = undefined;
    },
  });
  return new Response(body, {
    headers: { ...headers, 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' },
  });
}
