import { defineConfig } from 'vitest/config';

/** On a machine that is slower than others by nature, such as an emulated one, a test may take longer. */
const PATIENCE = Number(process.env.ISLA_TEST_PATIENCE ?? 1);
const SECOND_MS = 1000 * PATIENCE;

/** For an event that comes at once on an idle machine, and late on one that is busy with others. */
const POLL = { timeout: 30 * SECOND_MS };
/** No test waits for it to pass: what a test waits for has deadlines of its own, which say what did not come. */
const TEST_MS = 120 * SECOND_MS;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/arch/**/*.test.ts'],
          // Unit tests share no state through modules (importing a file does nothing), so one
          // process may run many files: a third of the time of a process per file.
          pool: 'threads',
          maxWorkers: 2, // much of it waits for processes and files
          testTimeout: TEST_MS,
          expect: { poll: POLL },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/e2e/built-program.ts'],
          pool: 'forks',
          // Each cluster starts a worker, a spawner and its sandboxes; more at once than cores only
          // makes deadlines tell about the machine instead of the program.
          maxWorkers: 2,
          testTimeout: TEST_MS,
          hookTimeout: TEST_MS,
          expect: { poll: POLL },
        },
      },
      {
        test: {
          name: 'docker',
          include: ['test/docker/**/*.test.ts'],
          globalSetup: ['test/e2e/built-program.ts', 'test/docker/daemon.ts'],
          pool: 'forks',
          // Leak checks look at the whole daemon: one file at a time.
          fileParallelism: false,
          testTimeout: TEST_MS,
          hookTimeout: TEST_MS,
          expect: { poll: POLL },
        },
      },
      {
        // As a user that is not root: test/rootless/rootless.sh makes one.
        test: {
          name: 'rootless',
          include: ['test/rootless/**/*.test.ts'],
          globalSetup: ['test/e2e/built-program.ts'],
          pool: 'forks',
          maxWorkers: 2, // as e2e, beside which it runs
          testTimeout: TEST_MS,
          hookTimeout: TEST_MS,
          expect: { poll: POLL },
        },
      },
      {
        test: {
          name: 'sandbox',
          include: ['test/sandbox/**/*.test.ts'],
          globalSetup: ['test/e2e/built-program.ts'],
          pool: 'forks',
          // As e2e. Leak checks know what is theirs by the directory, the ids and the groups of a worker.
          maxWorkers: 2,
          testTimeout: TEST_MS,
          hookTimeout: TEST_MS,
          expect: { poll: POLL },
        },
      },
    ],
  },
});
