// Where the operator's identity at a cluster is kept: in memory. It joins by its ServiceAccount, so a start without a
// stored identity costs one call, and there is no key of an admin's worth to be read from a Secret.
import type { CredentialStore, HostRecord } from '#client/credentials.ts';
import { GatehouseError } from '#core/errors/error.ts';

export function openMemoryStore(): CredentialStore {
  let kept: HostRecord | undefined;
  return {
    place: 'the memory of the operator',
    load: () => Promise.resolve(kept),
    async create(record) {
      if (kept !== undefined) throw new GatehouseError('ALREADY_EXISTS', 'there is an identity already');
      kept = record;
    },
    async replace(record) {
      if (kept?.generation !== record.generation - 1) {
        throw new GatehouseError('CONDITION_FAILED', 'the identity was replaced by somebody else');
      }
      kept = record;
    },
  };
}
