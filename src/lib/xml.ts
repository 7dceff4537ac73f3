/** As much XML as small documents between programs need: elements and text. No attributes, entities of one's own or doctypes. */

export interface XmlElement {
  /** Without the prefix of its namespace. */
  name: string;
  /** All text directly in it. */
  text: string;
  children: XmlElement[];
}

/** Elements inside elements; documents between programs have four or five. */
const DEPTH_MAX = 32;

const TOKEN = /<\?[^>]*\?>|<!--[\s\S]*?-->|<!\[CDATA\[([\s\S]*?)\]\]>|<(\/?)([A-Za-z_][\w.:-]*)([^<>]*)>|([^<]+)/y;

/** The root element. Throws SyntaxError. */
export function parseXml(document: string): XmlElement {
  const top: XmlElement = { name: '', text: '', children: [] };
  const open: XmlElement[] = [top];
  const text = document.replace(/^\uFEFF/, '');
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const token = TOKEN.exec(text);
    if (token === null) throw new SyntaxError(`what stands at character ${at} is not XML that is read here`);
    take(token, open);
  }
  const [root] = top.children;
  if (open.length > 1) throw new SyntaxError(`<${open.at(-1)?.name}> is not closed`);
  if (root === undefined || top.children.length > 1 || top.text.trim() !== '') {
    throw new SyntaxError('it is not one element');
  }
  return root;
}

/** Text of the first child of that name, if there is one. */
export function childText(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text;
}

/** Text as it stands between tags. What XML cannot say at all is said as S3 does, by its number. */
export function xmlText(text: string): string {
  return text.replace(NEEDS_ENTITY, (sign) => ENTITIES[sign] ?? `&#x${sign.charCodeAt(0).toString(16).toUpperCase()};`);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must be escaped
const NEEDS_ENTITY = /[&<>"\u0000-\u0008\u000B-\u001F\uFFFE\uFFFF]/g;
const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function take(token: RegExpExecArray, open: XmlElement[]): void {
  const [, cdata, closing, qualified, rest = '', words] = token;
  const inside = open.at(-1) as XmlElement;
  if (words !== undefined) inside.text += unescaped(words);
  else if (cdata !== undefined) inside.text += cdata;
  else if (qualified !== undefined) {
    const name = qualified.slice(qualified.indexOf(':') + 1);
    if (closing) {
      if (open.length === 1 || inside.name !== name) throw new SyntaxError(`</${name}> closes nothing`);
      open.pop();
      return;
    }
    const element: XmlElement = { name, text: '', children: [] };
    inside.children.push(element);
    if (rest.endsWith('/')) return;
    if (open.length > DEPTH_MAX) throw new SyntaxError(`there are more than ${DEPTH_MAX} elements inside each other`);
    open.push(element);
  }
}

const KNOWN: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text.replace(/&([^;&]{0,12});?/g, (whole, name: string) => {
    const known = KNOWN[name];
    if (known !== undefined && whole.endsWith(';')) return known;
    const number = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name);
    const code =
      number === null ? Number.NaN : Number.parseInt(number[1] ?? (number[2] as string), number[1] ? 16 : 10);
    if (!whole.endsWith(';') || !(code <= 0x10ffff)) throw new SyntaxError(`${whole} is no entity that is known here`);
    return String.fromCodePoint(code);
  });
}
