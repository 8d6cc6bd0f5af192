// The extensions of RFC 8308 that a server tells a client: which signatures it takes, and that it answers pings.
import { WireReader, WireWriter } from '#core/certs/ssh/wire.ts';
import { MSG } from '../messages.ts';
import { SIGNATURE_ALGORITHMS } from './algorithms.ts';
import { protocolError, refuseMessage } from './failure.ts';
import { readNames } from './kex-init.ts';

const MAX_EXTENSIONS = 64;
const MAX_NAME_BYTES = 256;
const MAX_VALUE_BYTES = 8192;

export function encodeExtInfo(): Buffer {
  const writer = new WireWriter(256).raw(Uint8Array.of(MSG.extInfo)).uint32(2);
  writer.string('server-sig-algs').string(SIGNATURE_ALGORITHMS.join(','));
  writer.string('ping@openssh.com').string('0');
  return Buffer.from(writer.finish());
}

/** The names of server-sig-algs, if they are there. Throws BAD_REQUEST. */
export function parseExtInfo(payload: Buffer): readonly string[] | undefined {
  const reader = new WireReader(payload.subarray(1), refuseMessage);
  const count = reader.uint32('the number of extensions');
  if (count > MAX_EXTENSIONS) throw protocolError('there are too many extensions');
  let names: readonly string[] | undefined;
  for (let at = 0; at < count; at++) {
    const name = reader.text('the name of an extension', MAX_NAME_BYTES);
    if (name === 'server-sig-algs') names = readNames(reader, 'the signature algorithms');
    else reader.bytes('the value of an extension', MAX_VALUE_BYTES);
  }
  reader.end('the extensions');
  return names;
}
