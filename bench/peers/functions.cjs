/** The same function for those who run functions of others: answers its event. */
exports.echo = (request, response) => {
  response.set('content-type', 'application/json').send(request.rawBody);
};
/** As Lambda has it: behind an HTTP API the event is in `body`. */
exports.lambda = async ({ body }) => ({ statusCode: 200, headers: { 'content-type': 'application/json' }, body });
