import { expect, test } from 'vitest';
import { listen } from '../../../src/http/listen.ts';

test('an address that is not of this machine is a wrong setting, and the message says what to set', async () => {
  const app = { fetch: () => new Response() };
  // TEST-NET-1: nobody has it.
  await expect(listen(app as never, { host: '192.0.2.1', port: 0 } as never)).rejects.toMatchObject({
    code: 'config-invalid',
    message: 'worker_host 192.0.2.1 is no address of this machine; set it to one, such as 127.0.0.1',
  });
});
