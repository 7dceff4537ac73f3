import { expect, test } from 'vitest';
import { pipReason } from '../../../src/packages/pip-reason.ts';

test('what pip calls an error is the reason, without where it looked', () => {
  const output = `Looking in links: /srv/wheels
Collecting nowhere==1
ERROR: Could not find a version that satisfies the requirement nowhere==1 (from versions: none)
ERROR: No matching distribution found for nowhere==1
`;
  expect(pipReason(output)).toBe(
    'Could not find a version that satisfies the requirement nowhere==1 (from versions: none); ' +
      'No matching distribution found for nowhere==1; no index that pip asked has it, if it could ask any; ' +
      'only wheels for the Python of the base are taken; a source distribution is none',
  );
});

test('a conflict is told with those who conflict', () => {
  const output = `Collecting a
ERROR: Cannot install a==1 and b==2 because these package versions have conflicting dependencies.

The conflict is caused by:
    a 1 depends on c<1
    b 2 depends on c>1

To fix this you could try to:
1. loosen the range of package versions you've specified
ERROR: ResolutionImpossible: for help visit https://pip.example/topics
`;
  const reason = pipReason(output);
  expect(reason).toContain('a 1 depends on c<1; b 2 depends on c>1');
  expect(reason).not.toContain('pip.example');
});

test('an index that is out of reach is said to be, and not where it is', () => {
  const output = `WARNING: Retrying after connection broken by 'NewConnectionError: Failed to establish a new connection' : https://user:secret@index.example/simple/x/
ERROR: Could not install from file:///srv/private/x or /srv/private/x/y.whl
`;
  const reason = pipReason(output);
  expect(reason).toMatch(/an index could not be reached$/);
  expect(reason).not.toMatch(/secret|index\.example|srv/);
});

test('a full disk is told as that, and silence as silence', () => {
  expect(pipReason('ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n')).toBe(
    'the disk is full where pip keeps what it fetches',
  );
  expect(pipReason('')).toBe('pip did not say why');
});
