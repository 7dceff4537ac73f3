/** The registry of a test's cluster, started as people start it, and what is uploaded to it. */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type Credentials, signedHeaders } from '../../src/lib/signature-v4.ts';
import { cleanEnvironment, type Finished, run, succeeded } from './admin.ts';
import type { TestCluster } from './cluster.ts';
import { freePorts } from './free-ports.ts';

export const KEYS: Credentials = { accessKey: 'TESTKEY', secretKey: 'a-secret/of+the.test=' };

/** What AWS's tools read, and nothing of whoever runs the tests. */
export function awsEnvironment(keys: Credentials = KEYS): NodeJS.ProcessEnv {
  return cleanEnvironment({
    AWS_ACCESS_KEY_ID: keys.accessKey,
    AWS_SECRET_ACCESS_KEY: keys.secretKey,
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_PAGER: '',
    AWS_CA_BUNDLE: undefined, // rclone of Debian stumbles over it
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  });
}

export class TestRegistry {
  readonly cluster: TestCluster;
  readonly url: string;

  private constructor(cluster: TestCluster, url: string) {
    this.cluster = cluster;
    this.url = url;
  }

  /** `admin registry` on a free port, or on the one it had before: no outgoing connection has been given that meanwhile. */
  static async start(cluster: TestCluster, before?: TestRegistry): Promise<TestRegistry> {
    const keys = [`--access-key=${KEYS.accessKey}`, `--secret-key=${KEYS.secretKey}`];
    const port = before === undefined ? (await freePorts(1))[0] : new URL(before.url).port;
    const started = succeeded(await cluster.admin('registry', `--port=${port}`, '--json', ...keys), 'admin registry');
    return new TestRegistry(cluster, (JSON.parse(started.stdout) as { url: string }).url);
  }

  /** One that was started in another way. */
  static at(cluster: TestCluster, url: string): TestRegistry {
    return new TestRegistry(cluster, url);
  }

  pid(): number {
    return Number(readFileSync(join(this.cluster.dir, 'logs', 'registry.pid'), 'utf8'));
  }

  log(): string {
    const path = join(this.cluster.dir, 'logs', 'registry.out');
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  /** What the AWS tools and rclone read. */
  env(keys: Credentials = KEYS): NodeJS.ProcessEnv {
    return {
      ...awsEnvironment(keys),
      RCLONE_CONFIG: '/dev/null',
      RCLONE_CONFIG_ISLA_TYPE: 's3',
      RCLONE_CONFIG_ISLA_PROVIDER: 'Other',
      RCLONE_CONFIG_ISLA_ENDPOINT: this.url,
      RCLONE_CONFIG_ISLA_ACCESS_KEY_ID: keys.accessKey,
      RCLONE_CONFIG_ISLA_SECRET_ACCESS_KEY: keys.secretKey,
    };
  }

  aws(...args: string[]): Promise<Finished> {
    return run('aws', ['--endpoint-url', this.url, ...args], { env: this.env() });
  }

  rclone(...args: string[]): Promise<Finished> {
    return run('rclone', args, { env: this.env() });
  }

  /** A signed request of our own. Rejects if the connection breaks. */
  send(method: string, path: string, body: Buffer | string = ''): Promise<{ status: number; bytes: Buffer }> {
    const url = new URL(this.url + path);
    const payloadHash = sha256(body);
    const headers = signedHeaders({ method, url, payloadHash, credentials: KEYS, region: 'us-east-1', at: new Date() });
    return new Promise((resolve, reject) => {
      const sent = request(url, { method, headers, agent: false }, (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.once('error', reject);
        response.once('end', () => resolve({ status: response.statusCode ?? 0, bytes: Buffer.concat(pieces) }));
      });
      sent.once('error', reject);
      sent.end(body);
    });
  }
}

export function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A bundle that holds a lambda, and so many bytes that can not be made smaller. */
export function makeBundle(paddingBytes = 0, code = 'def handler(event):\n    return event\n'): Buffer {
  const files = [tarEntry('lambda_func.py', Buffer.from(code)), tarEntry('padding', randomBytes(paddingBytes))];
  return gzipSync(Buffer.concat([...files, Buffer.alloc(1024)]), { level: 1 });
}

/** A file as ustar has it. */
function tarEntry(name: string, content: Buffer): Buffer {
  const head = Buffer.alloc(512);
  head.write(name, 0);
  head.write('0000644\0', 100);
  head.write('0000000\0', 108);
  head.write('0000000\0', 116);
  head.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  head.write('00000000000\0', 136);
  head.write('        0', 148);
  head.write('ustar\0' + '00', 257);
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([head, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}
