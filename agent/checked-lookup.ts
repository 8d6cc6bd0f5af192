// Names looked up for a dial, with every address judged at that very lookup, so that a name cannot stand for an address that
// must not be dialed (S25). Which those are is the dialer's to say.
import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';

/** For the `lookup` of a connection. Addresses that may not be dialed are left out; `refused` is the error when none is left. */
export function checkedLookup(
  mayDial: (address: string) => boolean,
  refused: (hostname: string) => Error,
): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, []);
        return;
      }
      const good = addresses.filter(({ address }) => mayDial(address));
      const [first] = good;
      if (first === undefined) callback(refused(hostname), []);
      else if (options.all === true) callback(null, good);
      else callback(null, first.address, first.family);
    });
  };
}
