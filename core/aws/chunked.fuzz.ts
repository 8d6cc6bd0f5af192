// Fuzz target: aws-chunked bodies. How a body is cut must not change what is read of it.
import { isCode, type GatehouseError } from '../errors/error.ts';
import { openChunkedDecoder } from './chunked.ts';

type Decoded = { readonly text: string } | { readonly refusal: GatehouseError };

function decode(input: Uint8Array, signed: boolean, cut: number): Decoded {
  const decoder = openChunkedDecoder({ signed, trailer: true });
  const out: string[] = [];
  try {
    for (let at = 0; at < input.length; at += cut)
      for (const piece of decoder.push(input.subarray(at, at + cut)))
        out.push(Buffer.from(piece).toString('latin1'));
    decoder.end();
  } catch (refusal) {
    if (!isCode(refusal, 'BAD_REQUEST')) throw refusal;
    return { refusal };
  }
  return { text: `${out.join('')} ${JSON.stringify(decoder.trailers)}` };
}

export const fuzz = {
  name: 'aws-chunked body',
  seeds: [
    '5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n',
    `5;chunk-signature=${'0'.repeat(64)}\r\nhello\r\n0;chunk-signature=${'1'.repeat(64)}\r\na:b\r\nx-amz-trailer-signature:${'2'.repeat(64)}\r\n\r\n`,
  ].map((text) => new Uint8Array(Buffer.from(text))),
  run(input: Uint8Array): void {
    const refusals = [true, false].map((signed) => {
      const whole = decode(input, signed, Math.max(input.length, 1));
      const cut = decode(input, signed, 3);
      if ('text' in whole !== 'text' in cut) throw new Error('another answer for another cut');
      if ('text' in whole && 'text' in cut && whole.text !== cut.text)
        throw new Error('other data for another cut');
      return 'refusal' in whole ? whole.refusal : undefined;
    });
    const [first] = refusals;
    if (first !== undefined && refusals.every((refusal) => refusal !== undefined)) throw first;
  },
};
