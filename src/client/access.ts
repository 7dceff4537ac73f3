/** Which gateway is asked, and who asks: what the caller says, else what the environment says. */
import { Failure } from '../config/failure.ts';
import type { Credentials } from './signing.ts';

export interface Access {
  endpoint: URL;
  credentials: Credentials;
}

export interface AccessOptions {
  /** Such as `http://127.0.0.1:8090`; else `BACKEND_ENDPOINT`. */
  endpoint?: string | undefined;
  /** Else `BACKEND_ACCESS_KEY`. */
  accessKey?: string | undefined;
  /** Else `BACKEND_SECRET_KEY`. */
  secretKey?: string | undefined;
  /** A bearer token, instead of the keys. */
  token?: string | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Throws Failure `usage`, which names what is missing. */
export function accessOf(options: AccessOptions, environment: Environment): Access {
  const endpoint = options.endpoint ?? fromEnvironment('ENDPOINT', environment);
  if (endpoint === undefined)
    throw new Failure('usage', 'no gateway is named: give an endpoint, or set BACKEND_ENDPOINT');
  return { endpoint: endpointUrl(endpoint), credentials: credentialsOf(options, environment) };
}

/** As this program's own variables, or those of the time when the API was Sorna's; undefined if neither is set. */
export function fromEnvironment(name: string, environment: Environment): string | undefined {
  return environment[`BACKEND_${name}`] || environment[`SORNA_${name}`] || undefined;
}

function endpointUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new Failure('usage', `${JSON.stringify(text)} is no address of a gateway such as http://127.0.0.1:8090`);
  }
  return url;
}

function credentialsOf(options: AccessOptions, environment: Environment): Credentials {
  if (options.token !== undefined) return { token: options.token };
  const accessKey = options.accessKey ?? fromEnvironment('ACCESS_KEY', environment);
  const secretKey = options.secretKey ?? fromEnvironment('SECRET_KEY', environment);
  if (accessKey === undefined || secretKey === undefined) {
    const missing =
      accessKey === undefined ? 'an access key (BACKEND_ACCESS_KEY)' : 'a secret key (BACKEND_SECRET_KEY)';
    throw new Failure('usage', `the gateway must know who asks: give ${missing}, or a token`);
  }
  return { accessKey, secretKey };
}
