// The one table of error codes. A code is the contract: callers match on it, never on message text.
// docs/reference/errors.md is generated from this table.

/** What a code means: HTTP status, whether the same call may succeed later, and what the user can do. */
export interface CodeInfo {
  readonly status: number;
  readonly retryable: boolean;
  readonly meaning: string;
  readonly remedy: string;
}

export const CODES = {
  BAD_REQUEST: {
    status: 400,
    retryable: false,
    meaning: 'The request or input is malformed.',
    remedy: 'Correct the named field and try again.',
  },
  INVALID_RESOURCE: {
    status: 400,
    retryable: false,
    meaning: 'A resource does not fit the schema of its kind.',
    remedy: 'Correct the fields named in the message; nothing was applied.',
  },
  INVALID_CONFIG: {
    status: 400,
    retryable: false,
    meaning: 'The configuration file has an unknown key or a bad value.',
    remedy: 'Correct the line named in the message.',
  },
  USAGE: {
    status: 400,
    retryable: false,
    meaning: 'A command was called with the wrong flags or arguments.',
    remedy: 'Run the command with --help.',
  },
  UNAUTHENTICATED: {
    status: 401,
    retryable: false,
    meaning: 'The caller could not be identified.',
    remedy: 'Log in, or pass an identity file that has not expired.',
  },
  INVALID_CREDENTIALS: {
    status: 401,
    retryable: false,
    meaning: 'The user name, password or second factor is wrong.',
    remedy: 'Check the credentials; an admin can run `gatectl users reset`.',
  },
  ACCOUNT_LOCKED: {
    status: 401,
    retryable: true,
    meaning: 'Too many failed attempts; the account is locked for a while.',
    remedy: 'Wait until the lock-out ends, or ask an admin to run `gatectl users reset`.',
  },
  BAD_JOIN_TOKEN: {
    status: 401,
    retryable: false,
    meaning: 'The join token is unknown, expired or does not allow the requested role.',
    remedy: 'Make a new token with `gatectl tokens add --type=...`.',
  },
  CA_PIN_MISMATCH: {
    status: 401,
    retryable: false,
    meaning: 'The server does not hold the pinned certificate authority.',
    remedy: 'Compare the pin with `gatectl status` on the auth host; do not continue if they differ.',
  },
  CERTIFICATE_INVALID: {
    status: 401,
    retryable: false,
    meaning: 'A certificate is expired, not yet valid, or not issued by a trusted authority.',
    remedy: 'Get a new certificate, and check the clock of this machine.',
  },
  ACCESS_DENIED: {
    status: 403,
    retryable: false,
    meaning: 'The caller is known but may not do this.',
    remedy: 'Give the denial id to an admin, who can run `gatectl explain ID`.',
  },
  LOCKED: {
    status: 403,
    retryable: false,
    meaning: 'A lock is in force on the user, role, login or node.',
    remedy: 'An admin can list locks with `gatectl get locks`.',
  },
  NOT_FOUND: {
    status: 404,
    retryable: false,
    meaning: 'The named thing does not exist.',
    remedy: 'List what exists with `gatectl get KIND`.',
  },
  ALREADY_EXISTS: {
    status: 409,
    retryable: false,
    meaning: 'A resource of this name exists.',
    remedy: 'Use `gatectl create -f` to replace it.',
  },
  CONDITION_FAILED: {
    status: 409,
    retryable: true,
    meaning: 'The resource was changed by somebody else since it was read.',
    remedy: 'Read it again and repeat the change.',
  },
  OWNED: {
    status: 409,
    retryable: false,
    meaning:
      'The resource belongs to another owner, such as a custom resource of another Kubernetes namespace.',
    remedy:
      'Change it where its owner is, or free it: the local admin sets its label `gatehouse.internal/owner` to "".',
  },
  NAME_CONFLICT: {
    status: 409,
    retryable: false,
    meaning: 'Another process uses the identity of this host.',
    remedy: 'Stop the one that is too many, or give it a name of its own, and start this one again.',
  },
  OTHER_CLUSTER: {
    status: 409,
    retryable: true,
    meaning: 'Another cluster answers at the address than the one this host belongs to.',
    remedy: 'Correct the address; or, when the cluster was replaced, allow this host to join again.',
  },
  IN_USE: {
    status: 409,
    retryable: false,
    meaning: 'The resource is referred to by another one.',
    remedy: 'Remove the reference named in the message first.',
  },
  REVISION_COMPACTED: {
    status: 410,
    retryable: true,
    meaning: 'The watch asked for changes older than those that are kept.',
    remedy: 'Take a new snapshot and watch from its revision.',
  },
  TOO_LARGE: {
    status: 413,
    retryable: false,
    meaning: 'The input is larger than the limit.',
    remedy: 'Send less, or in parts.',
  },
  LIMIT_EXCEEDED: {
    status: 429,
    retryable: true,
    meaning: 'Too many requests, connections or sessions.',
    remedy: 'Wait and try again.',
  },
  STORAGE_FULL: {
    status: 507,
    retryable: true,
    meaning: 'The disk that holds the data directory is full.',
    remedy: 'Free space; nothing was half-written.',
  },
  STORAGE_FAILED: {
    status: 500,
    retryable: true,
    meaning: 'The storage backend reported a failure.',
    remedy: 'See the log of the auth service.',
  },
  CORRUPT: {
    status: 500,
    retryable: false,
    meaning: 'Stored data fails its checks.',
    remedy: 'Restore from a backup; see docs/guide/backup.md.',
  },
  NOT_SUPPORTED: {
    status: 501,
    retryable: false,
    meaning: 'This version does not offer the feature.',
    remedy: 'See the message for what to use instead.',
  },
  UNAVAILABLE: {
    status: 503,
    retryable: true,
    meaning: 'The service is not reachable or not ready.',
    remedy: 'Check the address and that the service runs, then try again.',
  },
  AWS_REFUSED: {
    status: 502,
    retryable: false,
    meaning: 'AWS refused what an agent asked for on behalf of somebody.',
    remedy: 'See the message; `gatehouse aws policy` prints the policies that are needed.',
  },
  INTERNAL: {
    status: 500,
    retryable: false,
    meaning: 'A bug in Gatehouse.',
    remedy: 'Report it with the log lines of this request.',
  },
} as const satisfies Record<string, CodeInfo>;

export type Code = keyof typeof CODES;
