/**
 * A vitest reporter that adds a line `{passed, failed, skipped, failures}` to $ISLA_TEST_COUNTS, for test-all.mjs: a
 * suite may run vitest more than once.
 */
import { appendFileSync } from 'node:fs';

// vitest looks for a default export here.
// biome-ignore lint/style/noDefaultExport: see above
export default class CountReporter {
  onTestRunEnd(testModules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: [], failures: [] };
    for (const testModule of testModules) {
      // A file that does not load has errors of its own and no test to carry them.
      counts.failed += testModule.errors().length;
      for (const test of testModule.children.allTests()) {
        const { state, note } = test.result();
        if (state === 'passed') counts.passed += 1;
        else if (state === 'failed') {
          counts.failed += 1;
          counts.failures.push(`${testModule.relativeModuleId} ${test.fullName}`);
        } else counts.skipped.push(note ? `${test.fullName} (${note})` : test.fullName);
      }
      for (const suite of testModule.children.allSuites()) counts.failed += suite.errors().length;
    }
    appendFileSync(process.env.ISLA_TEST_COUNTS, `${JSON.stringify(counts)}\n`);
  }
}
