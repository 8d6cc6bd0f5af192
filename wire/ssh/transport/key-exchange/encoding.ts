// How a secret goes into the hash: as mpint for the classic methods, as string for the hybrid.
import { WireWriter } from '#core/certs/ssh/wire.ts';

export function asMpint(secret: Uint8Array): Uint8Array {
  return new WireWriter(secret.length + 5).mpint(secret).finish();
}

export function asString(secret: Uint8Array): Uint8Array {
  return new WireWriter(secret.length + 4).string(secret).finish();
}
