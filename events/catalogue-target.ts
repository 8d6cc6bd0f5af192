// Event types of databases and applications: who reached what, and what was asked of it. Apart from the events of SSH
// sessions because hosts of other roles tell of them.
import type { EventSpec } from './fields.ts';

const PLACE = ['server_id', 'server_hostname', 'addr.remote', 'impersonator', 'mfa_device'] as const;
const DB = ['user', 'sid', 'db_service', 'db_protocol', 'db_user', 'db_name'] as const;
const DB_OPTIONAL = ['db_uri', 'db_type', 'db_origin', 'db_roles', ...PLACE] as const;
const QUERY_OPTIONAL = [
  ...DB_OPTIONAL,
  'db_query_parameters',
  'statement_name',
  'portal_name',
  'affected_rows',
  'cut',
] as const;
const APP = ['user', 'sid', 'app_name'] as const;
const APP_OPTIONAL = ['app_uri', 'app_public_addr', 'aws_role_arn', ...PLACE] as const;
const REQUEST_OPTIONAL = [
  ...APP_OPTIONAL,
  'raw_query',
  'status_code',
  'session_chunk_id',
  'len',
  'rx',
  'tx',
  'aws_service',
  'aws_region',
  'aws_host',
  'aws_action',
  'error',
] as const;

export const TARGET_EVENTS = {
  'db.session.start': {
    codes: { ok: 'TDB00I', failed: 'TDB00W' },
    meaning: 'A user connected to a database, or was refused.',
    fields: [...DB, 'success'],
    optional: [...DB_OPTIONAL, 'error', 'message', 'denial_id'],
  },
  'db.session.end': {
    codes: { ok: 'TDB01I' },
    meaning: 'A database session has ended.',
    fields: DB,
    optional: [...DB_OPTIONAL, 'start_time', 'end_time', 'db_queries', 'affected_rows', 'rx', 'tx', 'reason'],
  },
  'db.session.query': {
    codes: { ok: 'TDB02I', failed: 'GHDB02W' },
    meaning: 'A query was sent to a database, or was refused.',
    fields: [...DB, 'db_query', 'success'],
    optional: [...QUERY_OPTIONAL, 'error', 'message', 'denial_id'],
  },
  'db.session.query.failed': {
    codes: { ok: 'TDB02W' },
    meaning: 'The database answered a query with an error.',
    fields: [...DB, 'db_query', 'error'],
    optional: [...QUERY_OPTIONAL, 'success', 'message'],
  },
  'db.session.malformed_packet': {
    codes: { ok: 'TDB06I' },
    meaning: 'Something that is not of the protocol was sent in a database session, which was ended.',
    fields: DB,
    optional: [...DB_OPTIONAL, 'error', 'reason'],
  },
  'db.user.create': {
    codes: { ok: 'TDB04I', failed: 'TDB04W' },
    meaning: 'An account was made, or taken up again, in a database for the time of a session.',
    fields: ['user', 'db_service', 'db_user', 'success'],
    optional: ['sid', 'db_protocol', 'db_name', ...DB_OPTIONAL, 'error', 'message'],
  },
  'db.user.deactivate': {
    codes: { ok: 'TDB05I', failed: 'TDB05W' },
    meaning: 'An account that was made for sessions was locked or deleted after the last of them.',
    fields: ['user', 'db_service', 'db_user', 'success'],
    optional: ['sid', 'db_protocol', 'db_name', ...DB_OPTIONAL, 'action', 'error', 'message'],
  },
  'db.session.postgres.statements.parse': {
    codes: { ok: 'TPG00I' },
    meaning: 'A prepared statement was made in a PostgreSQL session.',
    fields: [...DB, 'db_query', 'statement_name'],
    optional: [...DB_OPTIONAL, 'cut'],
  },
  'db.session.postgres.statements.bind': {
    codes: { ok: 'TPG01I' },
    meaning: 'A prepared statement was given its parameters in a PostgreSQL session.',
    fields: [...DB, 'statement_name', 'portal_name'],
    optional: [...DB_OPTIONAL, 'db_query_parameters', 'cut'],
  },
  'db.session.postgres.statements.execute': {
    codes: { ok: 'TPG02I' },
    meaning: 'A prepared statement was run in a PostgreSQL session.',
    fields: [...DB, 'portal_name'],
    optional: DB_OPTIONAL,
  },
  'db.session.postgres.statements.close': {
    codes: { ok: 'TPG03I' },
    meaning: 'A prepared statement was closed in a PostgreSQL session.',
    fields: DB,
    optional: [...DB_OPTIONAL, 'statement_name', 'portal_name'],
  },
  'db.session.postgres.function': {
    codes: { ok: 'TPG04I' },
    meaning: 'A function was called directly, without a query, in a PostgreSQL session.',
    fields: [...DB, 'function_oid'],
    optional: [...QUERY_OPTIONAL, 'db_query', 'success', 'error'],
  },
  'app.session.start': {
    codes: { ok: 'TAP00I', failed: 'TAP00W' },
    meaning: 'A user accessed an application.',
    fields: APP,
    optional: [...APP_OPTIONAL, 'success', 'error', 'message', 'denial_id'],
  },
  'app.session.chunk': {
    codes: { ok: 'TAP01I' },
    meaning: 'A recording of requests to an application began; a session has one for each stretch of time.',
    fields: [...APP, 'session_chunk_id'],
    optional: [...APP_OPTIONAL, 'requests', 'start_time', 'end_time'],
  },
  'app.session.request': {
    codes: { ok: 'TAP02I' },
    meaning: 'One request was sent to an application.',
    fields: [...APP, 'method', 'path'],
    optional: REQUEST_OPTIONAL,
  },
  'app.session.dynamodb.request': {
    codes: { ok: 'TAP04I' },
    meaning: 'One request was sent to DynamoDB.',
    fields: [...APP, 'method', 'path'],
    optional: [...REQUEST_OPTIONAL, 'body'],
  },
  'app.session.end': {
    codes: { ok: 'TAP03I' },
    meaning: 'An application session has ended.',
    fields: APP,
    optional: [...APP_OPTIONAL, 'start_time', 'end_time', 'requests', 'reason'],
  },
} as const satisfies Record<string, EventSpec>;
