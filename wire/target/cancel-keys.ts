// Process ids in the cancel keys of databases: made from the host id, so that every proxy finds the agents that can be
// meant by a cancel request, whichever proxy the session runs through. In wire because both ends compute it.
import { createHash } from 'node:crypto';

/** 32 bits, never 0. The secret beside it is random and the agent's own. */
export function cancelProcessId(hostId: string): number {
  const id = createHash('sha256').update('gatehouse-cancel:').update(hostId).digest().readUInt32BE();
  return id === 0 ? 1 : id;
}
