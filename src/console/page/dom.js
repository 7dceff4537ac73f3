/** Elements out of words: text is always text, never markup. */

const SVG = 'http://www.w3.org/2000/svg';

/** `props` are attributes; those that begin with `on` are listeners, and undefined ones are left out. */
export function h(tag, props = {}, ...children) {
  return filled(document.createElement(tag), props, children);
}

export function svg(tag, props = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

function filled(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(9).filter((child) => child !== undefined && child !== false));
  return element;
}

export function milliseconds(ms) {
  if (ms === null || ms === undefined) return '–';
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(2)} ms`;
}

export function bytes(count) {
  if (count === null || count === undefined) return '–';
  if (count < 10_000) return `${count} B`;
  return count < 1_048_576 ? `${(count / 1024).toFixed(0)} KiB` : `${(count / 1_048_576).toFixed(1)} MiB`;
}

export function age(ms) {
  if (ms < 60_000) return `${Math.floor(ms / 1000)} s`;
  return ms < 3_600_000 ? `${Math.floor(ms / 60_000)} min` : `${Math.floor(ms / 3_600_000)} h`;
}

export function clock(ms) {
  return new Date(ms).toLocaleTimeString([], { hour12: false });
}
