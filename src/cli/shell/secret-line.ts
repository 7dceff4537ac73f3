/** A line of which nothing is shown, key by key. */

export class SecretLine {
  text = '';
  #inEscape = false;

  /** What it came to with this key, if to anything. */
  take(character: string): 'line' | 'interrupt' | 'end' | undefined {
    if (this.#inEscape) {
      // Arrows and their like: they end with a letter or a tilde.
      this.#inEscape = !/[A-Za-z~]/.test(character) || character === 'O';
      return undefined;
    }
    switch (character) {
      case '\n':
        return 'line';
      case '\x03':
        return 'interrupt';
      case '\x04':
        return this.text === '' ? 'end' : undefined;
      case '\x1b':
        this.#inEscape = true;
        return undefined;
      case '\x7f':
      case '\b':
        this.text = [...this.text].slice(0, -1).join('');
        return undefined;
      case '\x15':
        this.text = '';
        return undefined;
      default:
        if (character >= ' ') this.text += character;
        return undefined;
    }
  }
}
