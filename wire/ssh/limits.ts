// The defaults of SshLimits, in one place because both layers and both roles are held to them.
import type { SshLimits } from './ssh.ts';

const MIB = 1024 ** 2;

export const DEFAULT_SSH_LIMITS: SshLimits = {
  loginGraceMs: 30_000,
  maxAuthTries: 6,
  maxChannels: 256,
  windowBytes: 2 * MIB,
  outboundBytes: MIB,
  rekeyBytes: 16 * 1024 * MIB,
  rekeyMs: 3_600_000,
  keepAliveMs: 0,
  keepAliveCount: 3,
};

/** The longest packet after its length field while keys are exchanged for the first time (RFC 4253 6.1). */
export const MAX_PLAIN_PACKET_BYTES = 35_000;
/** The same of an enciphered one: as much as OpenSSH sends and takes, because a command travels in one packet. */
export const MAX_PACKET_BYTES = 256 * 1024;
/** The most data that one message of a channel carries. */
export const MAX_CHANNEL_PACKET_BYTES = 32_768;
/** All that a peer may send before it is authenticated. */
export const MAX_BYTES_BEFORE_LOGIN = 256 * 1024;
/** What may wait for the socket beyond `outboundBytes` before the connection ends: answers to a peer that does not read. */
export const MAX_OUTBOUND_EXCESS_BYTES = 4 * MIB;

export function sshLimits(limits: Partial<SshLimits> = {}): SshLimits {
  return { ...DEFAULT_SSH_LIMITS, ...limits };
}
