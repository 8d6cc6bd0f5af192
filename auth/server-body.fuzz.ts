// Fuzz target: bodies of requests.
import { parseJsonBody } from './server-body.ts';

export const fuzz = {
  name: 'auth request body',
  seeds: [
    Buffer.from('{"user":"joe","password":"x","nested":[{"a":[1,2,{"b":null}]}]}'),
    Buffer.from('[[[[[["\\u005b\\"["]]]]]]'),
    Buffer.from('{"__proto__":{"a":1}}'),
    Buffer.from('  '),
  ],
  run(input: Uint8Array): void {
    parseJsonBody(input);
  },
};
