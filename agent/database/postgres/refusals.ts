// What people read when they do not get in, or are put out: errors in the words of PostgreSQL, with a hint of what to do.
import { CODES } from '#core/errors/codes.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { PostgresError } from '#wire/postgres/server-messages.ts';

const INTERNAL: PostgresError = {
  severity: 'FATAL',
  code: 'XX000',
  message: 'Gatehouse: the session could not be opened',
  hint: 'The log of the agent says why.',
};

/** SQLSTATE by our codes; what is not here is an internal error. */
const STATES: Readonly<Partial<Record<keyof typeof CODES, string>>> = {
  ACCESS_DENIED: '28000',
  LOCKED: '28000',
  CERTIFICATE_INVALID: '28000',
  UNAUTHENTICATED: '28000',
  NOT_FOUND: '3D000',
  LIMIT_EXCEEDED: '53300',
  NOT_SUPPORTED: '0A000',
  BAD_REQUEST: '08P01',
  UNAVAILABLE: '08001',
  AWS_REFUSED: '28000',
  STORAGE_FULL: '57P01',
  STORAGE_FAILED: '57P01',
};

/** For any error: what is not meant for people is not told. */
export function fatalOf(error: unknown): PostgresError {
  if (!(error instanceof GatehouseError)) return INTERNAL;
  const code = STATES[error.code];
  if (code === undefined) return INTERNAL;
  return {
    severity: 'FATAL',
    code,
    message: `Gatehouse: ${error.message}`,
    hint: CODES[error.code].remedy,
  };
}

/** The session was ended from here. */
export function endedBecause(why: string): PostgresError {
  return { severity: 'FATAL', code: '57P01', message: `Gatehouse: ${why}` };
}

const HINTS: readonly {
  readonly codes: readonly string[];
  readonly text?: RegExp;
  readonly hint: string;
}[] = [
  {
    codes: ['28P01', '28000'],
    text: /PAM authentication failed/i,
    hint: 'The account needs `GRANT rds_iam TO ...`, and the AWS role of the agent a policy with rds-db:connect for it: see `gatehouse aws policy --for db`.',
  },
  {
    codes: ['28000'],
    text: /certificate|pg_hba/i,
    hint: 'The database must ask for client certificates (`hostssl all all all cert` in pg_hba.conf) and trust the authority of `gatectl auth export --type=db` (ssl_ca_file).',
  },
  {
    codes: ['28000'],
    text: /role .* does not exist/i,
    hint: 'The account must exist in the database, or roles must have create_db_user_mode and the database an admin_user.',
  },
  {
    codes: ['28P01'],
    hint: 'The database does not take the credentials of the agent for this account.',
  },
];

/** What the database said at the login, with a hint where it gave none. */
export function withHint(error: PostgresError): PostgresError {
  if (error.hint !== undefined) return error;
  const found = HINTS.find(
    ({ codes, text }) => codes.includes(error.code) && (text === undefined || text.test(error.message)),
  );
  return found === undefined ? error : { ...error, hint: found.hint };
}
