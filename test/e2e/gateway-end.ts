/** A gateway's end of the links to its agents, without the rest of a gateway. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openDoor } from '../../src/gateway/agents/door.ts';
import { Fleet } from '../../src/gateway/agents/fleet.ts';
import { openJoinFile } from '../../src/gateway/agents/join-file.ts';
import type { HostEvent } from '../../src/session/host.ts';

export interface GatewayEnd {
  readonly fleet: Fleet;
  /** What the fleet has told of sessions. */
  readonly events: HostEvent[];
  readonly url: string;
  readonly token: string;
  /** Resolves when so many agents are alive. */
  joined(count: number): Promise<void>;
  close(): Promise<void>;
}

/** `dir`: where it says how it is joined. */
export async function openGatewayEnd(dir: string): Promise<GatewayEnd> {
  const fleet = new Fleet(() => {});
  const file = openJoinFile(dir);
  const door = await openDoor({ fleet, token: () => file.token, log: () => {} });
  const server = createServer();
  server.on('upgrade', (request, socket, head) => door.upgrade(request, socket, head));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const events: HostEvent[] = [];
  fleet.onEvent((event) => events.push(event));
  file.announce(url);
  return {
    fleet,
    events,
    url,
    token: file.token,
    joined: (count) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (fleet.agents().filter(({ state }) => state === 'alive').length < count) return;
          unlisten();
          resolve();
        };
        const unlisten = fleet.onAgent(look);
        look();
      }),
    close: async () => {
      file.withdraw();
      fleet.close();
      door.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
