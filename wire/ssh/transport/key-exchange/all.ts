// The methods of key exchange by their names.
import type { KexAlgorithm } from '../algorithms.ts';
import { curve25519 } from './curve25519.ts';
import { group14, group16 } from './diffie-hellman.ts';
import { ecdhP256, ecdhP384 } from './ecdh.ts';
import type { KexMethod } from './method.ts';
import { mlKem768x25519 } from './ml-kem.ts';

export const KEX_METHODS: Readonly<Record<KexAlgorithm, KexMethod>> = {
  'mlkem768x25519-sha256': mlKem768x25519,
  'curve25519-sha256': curve25519,
  'curve25519-sha256@libssh.org': curve25519,
  'ecdh-sha2-nistp256': ecdhP256,
  'ecdh-sha2-nistp384': ecdhP384,
  'diffie-hellman-group16-sha512': group16,
  'diffie-hellman-group14-sha256': group14,
};
