// Fuzz target: heads and bodies of requests and replies. Besides failing in no other way than BAD_REQUEST: what goes on is
// read the same again by the same reader, in one piece or cut anywhere, and chunks carry the same bytes.
import { isCode } from '#core/errors/error.ts';
import { readBody } from './body.ts';
import { endToEnd, hostOf, requestFraming, responseFraming, upgradeOf, type Framing } from './framing.ts';
import { headEnd, parseRequestHead, parseResponseHead, writeRequestHead, writeResponseHead } from './head.ts';

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

export const fuzz = {
  name: 'http/1.1 message',
  seeds: [
    bytes('GET /a?b=c HTTP/1.1\r\nHost: a.example.com:443\r\nCookie: a=b; c=d\r\n\r\n'),
    bytes('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc'),
    bytes(
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-T: 1\r\n\r\n',
    ),
    bytes('GET / HTTP/1.1\r\nHost: [::1]:80\r\nConnection: Upgrade, X\r\nUpgrade: websocket\r\nX: 1\r\n\r\n'),
    bytes('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=b\r\n\r\nhello'),
    bytes('HTTP/1.0 302 Found\r\nLocation: /\r\n\r\n'),
    bytes('HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n'),
  ],
  run(input: Uint8Array): void {
    const whole = Buffer.from(input);
    try {
      const end = headEnd(whole);
      if (end === undefined) return;
      const head = whole.subarray(0, end);
      const framing = input[0] === 0x48 ? reply(head) : request(head);
      body(framing, whole.subarray(end), input.length);
    } catch (error) {
      if (!isCode(error, 'BAD_REQUEST')) throw error;
    }
  },
};

function request(bytesOfHead: Buffer): Framing {
  const head = parseRequestHead(bytesOfHead);
  const framing = requestFraming(head);
  hostOf(head);
  upgradeOf(head);
  endToEnd(head.fields, () => true);
  const again = parseRequestHead(
    Buffer.from(writeRequestHead(head.method, head.target, head.fields), 'latin1'),
  );
  requireSame([head.method, head.target, valuesOf(head)], [again.method, again.target, valuesOf(again)]);
  if (head.minor === 1) requireSame(framing, requestFraming(again));
  return framing;
}

function reply(bytesOfHead: Buffer): Framing {
  const head = parseResponseHead(bytesOfHead);
  const framing = responseFraming(head, 'GET');
  const again = parseResponseHead(
    Buffer.from(writeResponseHead(head.status, head.reason, head.fields), 'latin1'),
  );
  requireSame([head.status, head.reason, valuesOf(head)], [again.status, again.reason, valuesOf(again)]);
  return framing;
}

const valuesOf = ({ fields }: { readonly fields: readonly { name: string; value: string }[] }): unknown =>
  fields.map(({ name, value }) => [name, value]);

/** Read at once, in two pieces, and what went on read again. */
function body(framing: Framing, rest: Buffer, seed: number): void {
  const once = collect(framing, [rest], false);
  const cut = rest.length === 0 ? 0 : seed % rest.length;
  const twice = collect(framing, [rest.subarray(0, cut), rest.subarray(cut)], false);
  requireSame([once.text, once.isDone, once.used], [twice.text, twice.isDone, twice.used]);
  if (framing.by !== 'chunks' || !once.isDone) return;
  const again = collect(framing, [Buffer.from(once.text, 'latin1')], false);
  requireSame([again.text, again.isDone], [once.text, true]);
  const payload = collect(framing, [rest], true).text;
  requireSame(payload, collect(framing, [Buffer.from(once.text, 'latin1')], true).text);
}

function collect(
  framing: Framing,
  pieces: readonly Buffer[],
  bare: boolean,
): { text: string; isDone: boolean; used: number } {
  const reader = readBody(framing, { keepTrailer: () => true, bare });
  let [text, used] = ['', 0];
  for (const piece of pieces) {
    if (reader.isDone) break;
    used += reader.read(piece, 0, (part) => (text += part.toString('latin1')));
  }
  return { text, isDone: reader.isDone, used };
}

function requireSame(one: unknown, other: unknown): void {
  const [a, b] = [JSON.stringify(one), JSON.stringify(other)];
  if (a !== b) throw new Error(`it was read differently: ${a} and ${b}`);
}
