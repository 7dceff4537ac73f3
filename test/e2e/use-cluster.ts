import { afterAll, beforeAll } from 'vitest';
import { type ClusterOptions, TestCluster } from './cluster.ts';

/**
 * One running cluster for all tests of a file or a describe block; the block fails if it leaves
 * anything behind. The tests must use lambdas of their own.
 */
export function useCluster(options: ClusterOptions = {}): () => TestCluster {
  let starting: Promise<TestCluster> | undefined;
  let cluster: TestCluster | undefined;
  beforeAll(async () => {
    starting = TestCluster.start(options);
    cluster = await starting;
  });
  afterAll(async () => {
    // One that came too late for the tests is there all the same; one that did not start has said why.
    const started = await starting?.catch(() => undefined);
    await started?.dispose();
  });
  return () => {
    if (cluster === undefined) throw new Error('the cluster did not start');
    return cluster;
  };
}

/** Runs with a cluster of its own, which is disposed of however the test ends. */
export async function withCluster(
  options: ClusterOptions & { running?: boolean },
  body: (cluster: TestCluster) => Promise<void>,
): Promise<void> {
  const cluster = options.running === false ? await TestCluster.make(options) : await TestCluster.start(options);
  try {
    await body(cluster);
  } catch (error) {
    await cluster.dispose().catch(() => undefined); // the first failure is the one to read
    throw error;
  }
  await cluster.dispose();
}
