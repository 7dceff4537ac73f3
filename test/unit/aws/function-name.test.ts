import { describe, expect, test } from 'vitest';
import { arnOf, parseFunctionName } from '../../../src/aws/function-name.ts';

describe('a function’s name', () => {
  test.each([
    ['hello', 'hello', undefined],
    ['hello:prod', 'hello', 'prod'],
    ['hello:$LATEST', 'hello', '$LATEST'],
    ['hello:7', 'hello', '7'],
    ['a.b_c-9', 'a.b_c-9', undefined],
    ['123456789012:function:hello', 'hello', undefined],
    ['123456789012:hello', 'hello', undefined],
    ['function:hello', 'hello', undefined],
    ['eu-west-1:123456789012:function:hello:prod', 'hello', 'prod'],
    ['arn:aws:lambda:us-east-1:123456789012:function:hello', 'hello', undefined],
    ['arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:hello:3', 'hello', '3'],
    ['function', 'function', undefined],
  ])('%s', (sent, lambda, qualifier) => {
    expect(parseFunctionName(sent, undefined)).toEqual({ lambda, qualifier });
    expect(parseFunctionName(sent, qualifier)).toEqual({ lambda, qualifier });
  });

  test.each([
    '',
    '.',
    '..',
    'a/b',
    'a b',
    'hello:',
    'hello:a:b',
    'hello:$OLD',
    'arn:aws:s3:::hello',
    'x'.repeat(65),
    'ü',
  ])('is not %j', (sent) => {
    expect(() => parseFunctionName(sent, undefined)).toThrow(
      expect.objectContaining({ name: 'InvalidParameterValueException', status: 400 }),
    );
  });

  test('may be given with a qualifier, which must be the one that is in it', () => {
    expect(parseFunctionName('hello', 'prod')).toEqual({ lambda: 'hello', qualifier: 'prod' });
    expect(() => parseFunctionName('hello:dev', 'prod')).toThrow('does not match');
    expect(() => parseFunctionName('hello', 'a b')).toThrow('"a b" is no qualifier');
  });

  test('is part of its ARN', () => {
    const arn = arnOf(parseFunctionName('hello', 'prod'));
    expect(arn).toBe('arn:aws:lambda:us-east-1:000000000000:function:hello:prod');
    expect(parseFunctionName(arn, undefined)).toEqual({ lambda: 'hello', qualifier: 'prod' });
  });
});
