/** The `context` argument of a handler and its environment, with the names of AWS's Node runtime. */
const REGION = 'us-east-1';

/** The same for every lambda; one may bring a region of its own. */
export const ENVIRONMENT = {
  AWS_REGION: REGION,
  AWS_DEFAULT_REGION: REGION,
  AWS_EXECUTION_ENV: `AWS_Lambda_nodejs${process.versions.node.split('.')[0]}.x`,
  AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
  LAMBDA_TASK_ROOT: '/handler',
  LAMBDA_RUNTIME_DIR: '/runtime',
};

// Bound now: a handler may replace them.
const { env } = process;
const { now } = Date;
const { parse } = JSON;

/** Lets this process know by its environment what it is. */
export function introduce({ lambda, instance, memory_mb, env: asked }) {
  const { name, version } = partsOf(lambda);
  Object.assign(env, ENVIRONMENT, asked, {
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_LAMBDA_FUNCTION_VERSION: version,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memory_mb),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: String(instance),
  });
}

/** `call` is what came with the event; `raise(error)` and `answer(result)` answer it. */
export function contextOf({ lambda, instance, memory_mb }, call, { raise, answer }) {
  const { name, version, published } = partsOf(lambda);
  const qualifier = call.qualifier ?? (published ? version : undefined);
  const arn = `arn:aws:lambda:${REGION}:000000000000:function:${name}`;
  return {
    functionName: name,
    functionVersion: version,
    memoryLimitInMB: String(memory_mb),
    invokedFunctionArn: qualifier === undefined ? arn : `${arn}:${qualifier}`,
    logGroupName: `/aws/lambda/${name}`,
    logStreamName: String(instance),
    clientContext: call.client === undefined ? undefined : parse(call.client),
    identity: undefined,
    awsRequestId: call.id,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, call.deadline - now()),
    succeed: answer,
    fail: raise,
    done: (error, result) => (error === undefined || error === null ? answer(result) : raise(error)),
  };
}

/** `lambda` may be a version of one: `NAME~NUMBER`. What is run by its digest was the latest once. */
function partsOf(lambda) {
  const [name, number = ''] = lambda.split('~');
  const published = number !== '' && number.length < 32;
  return { name, version: published ? number : '$LATEST', published };
}

let lastTrace;

/** In the environment, where those who trace look for it. */
export function tellTrace(trace) {
  if (trace === undefined && lastTrace === undefined) return;
  lastTrace = trace;
  const [parent, state] = trace ?? [];
  set('TRACEPARENT', parent);
  set('TRACESTATE', state);
  set('_X_AMZN_TRACE_ID', parent === undefined ? undefined : amazonTrace(parent));
}

function amazonTrace(parent) {
  const [, trace, span, flags] = parent.split('-');
  return `Root=1-${trace.slice(0, 8)}-${trace.slice(8)};Parent=${span};Sampled=${Number(flags)}`;
}

function set(name, value) {
  if (value === undefined || value === null) delete env[name];
  else env[name] = value;
}
