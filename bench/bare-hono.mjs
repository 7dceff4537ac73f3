/** What the same HTTP stack costs alone: reads the event, answers the same bytes. Prints its port. */
import { serve } from '@hono/node-server';
import { Hono } from 'hono';

const app = new Hono();
app.post('/runLambda/:name', async (context) =>
  context.body(await context.req.arrayBuffer(), 200, { 'content-type': 'application/json' }),
);
serve({ fetch: app.fetch, port: 0, hostname: 'localhost' }, (info) => process.stdout.write(`${info.port}\n`));
