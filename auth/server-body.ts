// Request bodies: JSON from outside, bounded in depth before it is parsed. Sizes are bounded by the server as it
// reads. Apart from server.ts because it is a parser and is fuzzed alone.
import { GatehouseError } from '#core/errors/error.ts';

/** Deeper than any resource; whatever walks a value after this may recurse. */
export const MAX_JSON_DEPTH = 48;
const UTF8 = new TextDecoder('utf-8', { fatal: true });

const [QUOTE, BACKSLASH, OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [
  0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d,
];

/** The value; an empty body is an empty object. BAD_REQUEST when it is not strict JSON in UTF-8 or nests too deep. */
export function parseJsonBody(body: Uint8Array): unknown {
  if (body.length === 0) return {};
  if (depthOf(body) > MAX_JSON_DEPTH) {
    throw new GatehouseError('BAD_REQUEST', `the body nests deeper than ${MAX_JSON_DEPTH} levels`);
  }
  try {
    return JSON.parse(UTF8.decode(body), refuseProto);
  } catch (cause) {
    if (cause instanceof GatehouseError) throw cause;
    // The parser's own message quotes the body, which may hold a password.
    throw new GatehouseError('BAD_REQUEST', 'the body is not JSON in UTF-8');
  }
}

/** Deepest nesting of brackets outside of text; right for JSON, an upper bound of its parse for anything else. */
function depthOf(body: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  let isText = false;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at];
    if (isText) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) isText = false;
    } else if (byte === QUOTE) isText = true;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) deepest = Math.max(deepest, ++depth);
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--;
  }
  return deepest;
}

function refuseProto(key: string, value: unknown): unknown {
  if (key !== '__proto__') return value;
  throw new GatehouseError('BAD_REQUEST', 'the body uses the name __proto__');
}
