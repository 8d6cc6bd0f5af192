// Names against patterns as shells and ssh_config have them: `*`, `?` and `[a-z]`. No regular expressions, as the patterns
// are typed by people and the names come from servers.

/** A name against a pattern of `*`, `?` and `[a-z]`; a leading dot must be written. Time grows with their product. */
export function matchesPattern(name: string, pattern: string): boolean {
  if (name.startsWith('.') && !pattern.startsWith('.')) return false;
  const chars = [...name];
  const parts = parsePattern(pattern);
  let at = 0;
  let part = 0;
  let star = -1;
  let starAt = 0;
  while (at < chars.length) {
    const one = parts[part];
    if (one === '*') {
      star = part++;
      starAt = at;
    } else if (one !== undefined && one(chars[at] ?? '')) {
      part++;
      at++;
    } else if (star >= 0) {
      part = star + 1;
      at = ++starAt;
    } else return false;
  }
  while (parts[part] === '*') part++;
  return part === parts.length;
}

type Part = '*' | ((char: string) => boolean);

function parsePattern(pattern: string): Part[] {
  const parts: Part[] = [];
  const chars = [...pattern];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? '';
    const close = char === '[' ? chars.indexOf(']', at + 2) : -1;
    if (char === '*') parts.push('*');
    else if (char === '?') parts.push(() => true);
    else if (close > 0) {
      parts.push(charClass(chars.slice(at + 1, close)));
      at = close;
    } else {
      const literal = char === '\\' && at + 1 < chars.length ? (chars[++at] ?? '') : char;
      parts.push((other) => other === literal);
    }
  }
  return parts;
}

function charClass(chars: readonly string[]): (char: string) => boolean {
  const isNegated = chars[0] === '!' || chars[0] === '^';
  const members = isNegated ? chars.slice(1) : chars;
  return (char) => {
    let isIn = false;
    for (let at = 0; at < members.length; at++) {
      const first = members[at] ?? '';
      const last = members[at + 2];
      if (members[at + 1] === '-' && last !== undefined) {
        isIn ||= char >= first && char <= last;
        at += 2;
      } else isIn ||= char === first;
    }
    return isIn !== isNegated;
  };
}
