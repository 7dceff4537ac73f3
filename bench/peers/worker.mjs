/** The same function as a worker of workerd's. */
// workerd looks for a default export.
// biome-ignore lint/style/noDefaultExport: see above
export default {
  async fetch(request) {
    return new Response(await request.arrayBuffer(), { headers: { 'content-type': 'application/json' } });
  },
};
