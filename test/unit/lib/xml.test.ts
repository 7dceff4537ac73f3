import { describe, expect, test } from 'vitest';
import { childText, parseXml, xmlText } from '../../../src/lib/xml.ts';

describe('a document', () => {
  test('is read with its elements and their text', () => {
    const root = parseXml(
      '\uFEFF<?xml version="1.0"?>\n<D xmlns="http://s3.amazonaws.com/doc/"><!-- - --><s3:Key>a &amp; b&#x2F;&#10;<![CDATA[<c>]]></s3:Key><E a="1"/></D>\n',
    );
    expect(root.name).toBe('D');
    expect(childText(root, 'Key')).toBe('a & b/\n<c>');
    expect(childText(root, 'E')).toBe('');
    expect(childText(root, 'F')).toBe(undefined);
  });

  test.each([
    ['nothing', ''],
    ['text', 'hello'],
    ['two elements', '<a/><b/>'],
    ['an element that is not closed', '<a><b></b>'],
    ['an end without beginning', '</a>'],
    ['ends that cross', '<a><b></a></b>'],
    ['a document type, whose entities could grow without end', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
    ['an entity of its own', '<a>&b;</a>'],
    ['an ampersand', '<a>b & c</a>'],
    ['a number that is no character', '<a>&#x110000;</a>'],
    ['depth without end', '<a>'.repeat(1_000) + '</a>'.repeat(1_000)],
    ['a tag that is cut off', '<a><b'],
  ])('is refused if it is %s', (_what, text) => {
    expect(() => parseXml(text)).toThrow(SyntaxError);
  });
});

test('text is written so that it is read back', () => {
  const text = 'a<b>&"c"\r\n\td\u{1F600}';
  expect(parseXml(`<t>${xmlText(text)}</t>`).text).toBe(text);
  expect(xmlText('\u0001')).toBe('&#x1;');
});
