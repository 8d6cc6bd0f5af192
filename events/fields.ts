// Every field an audit event may carry: one name has one type and one meaning in all events, so that a search or a
// SIEM never meets two meanings. Documented names are kept as they are. docs/reference/events.md is made from it.

export type FieldType = 'string' | 'integer' | 'boolean' | 'strings' | 'map' | 'lists';

export interface FieldSpec {
  readonly type: FieldType;
  readonly meaning: string;
}

export const FIELDS = {
  action: { type: 'string', meaning: 'What was done or asked for: a verb such as read, write, create.' },
  'addr.local': { type: 'string', meaning: 'Address and port of the target that was connected to.' },
  'addr.remote': { type: 'string', meaning: 'Address and port the client came from.' },
  affected_rows: { type: 'integer', meaning: 'Rows that were read or changed.' },
  app_name: { type: 'string', meaning: 'Name of the application.' },
  app_public_addr: { type: 'string', meaning: 'Public address of the application.' },
  app_uri: { type: 'string', meaning: 'Internal address of the application.' },
  aws_action: {
    type: 'string',
    meaning: 'What was asked of the AWS service, such as AssumeRole; by commas where a request says several.',
  },
  aws_host: { type: 'string', meaning: 'Host of the AWS endpoint.' },
  aws_region: { type: 'string', meaning: 'Region of AWS that the request was signed for.' },
  aws_role_arn: { type: 'string', meaning: 'AWS role the session assumed.' },
  aws_service: { type: 'string', meaning: 'Service of AWS that the request was signed for, such as s3.' },
  body: { type: 'string', meaning: 'What was asked for, as JSON; without values of secret fields.' },
  ca_type: { type: 'string', meaning: 'Which certificate authority: host, user, db and so on.' },
  cert_type: { type: 'string', meaning: 'user or host, SSH or X.509.' },
  command: { type: 'string', meaning: 'Command line that was run.' },
  connector: { type: 'string', meaning: 'Auth connector the login went through.' },
  cut: { type: 'map', meaning: 'Fields too large to keep whole: name to original size and SHA-256.' },
  db_name: { type: 'string', meaning: 'Database (schema) within the server.' },
  db_origin: {
    type: 'string',
    meaning: 'Where the database resource came from: config-file, dynamic, discovery.',
  },
  db_protocol: { type: 'string', meaning: 'Wire protocol, such as postgres.' },
  db_queries: { type: 'integer', meaning: 'How many queries a session had.' },
  db_query: { type: 'string', meaning: 'Text of the query.' },
  db_query_parameters: { type: 'strings', meaning: 'Parameters bound to the query.' },
  db_roles: { type: 'strings', meaning: 'Database roles the session was given.' },
  db_service: { type: 'string', meaning: 'Name of the database resource.' },
  db_type: { type: 'string', meaning: 'self-hosted, rds, aurora and so on.' },
  db_uri: { type: 'string', meaning: 'Address of the database server.' },
  db_user: { type: 'string', meaning: 'Database account.' },
  denial_id: { type: 'string', meaning: 'Id the caller was given; `gatectl explain ID` shows what decided.' },
  dst_addr: { type: 'string', meaning: 'Destination of a network connection made in the session.' },
  dst_port: { type: 'integer', meaning: 'Destination port of that connection.' },
  end_time: { type: 'string', meaning: 'When the session ended (RFC 3339).' },
  error: { type: 'string', meaning: 'Why it failed, for admins.' },
  exitCode: { type: 'integer', meaning: 'Exit status of the command.' },
  exitError: { type: 'string', meaning: 'Error of the command, empty when it ended well.' },
  expires: { type: 'string', meaning: 'When the thing stops to be valid (RFC 3339).' },
  fields_changed: { type: 'strings', meaning: 'Paths of the resource that differ from before.' },
  file: { type: 'string', meaning: 'File the event is about.' },
  findings: { type: 'integer', meaning: 'How many faults a check found.' },
  first_seq: { type: 'integer', meaning: 'First sequence number concerned.' },
  function_oid: { type: 'integer', meaning: 'Object id of a function in the database.' },
  head: { type: 'string', meaning: 'SHA-256 of the last segment of a recording; it vouches for all of it.' },
  host_id: { type: 'string', meaning: 'Id of the machine that joined or left.' },
  impersonator: {
    type: 'string',
    meaning: 'The user who acted as `user`, with a certificate made by impersonation.',
  },
  initial_command: { type: 'strings', meaning: 'Command the session was started with; empty for a shell.' },
  interactive: { type: 'boolean', meaning: 'Whether the session had a terminal.' },
  key_id: { type: 'string', meaning: 'Fingerprint or id of a key.' },
  kind: { type: 'string', meaning: 'Kind of the resource.' },
  last_seq: { type: 'integer', meaning: 'Last sequence number concerned.' },
  len: { type: 'integer', meaning: 'Length in bytes.' },
  lock_target: { type: 'map', meaning: 'What the lock is on: user, role, login, node and so on.' },
  login: { type: 'string', meaning: 'Operating system login.' },
  logins: { type: 'strings', meaning: 'Logins (principals) in a certificate.' },
  lost: { type: 'integer', meaning: 'How many events could not be kept.' },
  message: { type: 'string', meaning: 'What the person was told.' },
  mode: { type: 'string', meaning: 'As what somebody takes part in a session: peer, observer or moderator.' },
  method: {
    type: 'string',
    meaning: 'How: local, token, oidc and so on; of a request to an application its HTTP method.',
  },
  mfa_device: { type: 'string', meaning: 'Second factor that was used.' },
  name: { type: 'string', meaning: 'Name of the resource, token or person concerned.' },
  namespace: { type: 'string', meaning: 'Namespace; always default, kept for old readers.' },
  occurred: {
    type: 'string',
    meaning: 'When it happened on the agent, where the log took it later (RFC 3339).',
  },
  participants: { type: 'strings', meaning: 'Everybody who took part in the session.' },
  path: { type: 'string', meaning: 'Path of a file, or of an HTTP request.' },
  phase: { type: 'string', meaning: 'Phase of a rotation.' },
  portal_name: { type: 'string', meaning: 'Name of a portal of PostgreSQL; empty for the unnamed one.' },
  pid: { type: 'integer', meaning: 'Process id on the node.' },
  program: { type: 'string', meaning: 'Name of the program.' },
  proto: { type: 'string', meaning: 'Protocol of the session.' },
  public_key: { type: 'string', meaning: 'Fingerprint of the public key.' },
  raw_query: { type: 'string', meaning: 'Query of an HTTP request, behind the question mark.' },
  reason: { type: 'string', meaning: 'Why, in words.' },
  reasons: { type: 'strings', meaning: 'Each rule, role, label or lock that decided, for admins.' },
  reported_by: {
    type: 'string',
    meaning: 'Id of the host that told of it; who did what is then known from this host alone.',
  },
  requests: { type: 'integer', meaning: 'Number of requests a chunk covers.' },
  resource: { type: 'string', meaning: 'What access was asked to, as kind/name.' },
  return_code: { type: 'integer', meaning: 'Return code of a system call or program.' },
  role: { type: 'string', meaning: 'System role of a machine: node, app, db, proxy and so on.' },
  roles: { type: 'strings', meaning: 'Roles the user or machine holds.' },
  rx: { type: 'integer', meaning: 'Bytes received: from the client in a session, or written into a file.' },
  serial: { type: 'string', meaning: 'Serial number of a certificate.' },
  server_hostname: { type: 'string', meaning: 'Host name of the server.' },
  server_id: { type: 'string', meaning: 'Unique id of the server.' },
  server_labels: { type: 'map', meaning: 'Labels of the server.' },
  session_chunk_id: { type: 'string', meaning: 'Id of the chunk of an application session.' },
  sid: { type: 'string', meaning: 'Session id.' },
  size: { type: 'string', meaning: 'Terminal size, columns:rows.' },
  segments: { type: 'integer', meaning: 'How many segments a recording has.' },
  sink: { type: 'string', meaning: 'Audit destination concerned.' },
  start_time: { type: 'string', meaning: 'When the session started (RFC 3339).' },
  statement_name: { type: 'string', meaning: 'Name of a prepared statement; empty for the unnamed one.' },
  status_code: { type: 'integer', meaning: 'HTTP status.' },
  success: { type: 'boolean', meaning: 'Whether it was done.' },
  target_path: { type: 'string', meaning: 'New path of what was renamed; what a link points to.' },
  tx: { type: 'integer', meaning: 'Bytes sent: to the client in a session, or read from a file.' },
  traits: { type: 'lists', meaning: 'Traits of the user.' },
  ttl: { type: 'string', meaning: 'Time to live, as 1h0m0s.' },
  uid_ref: { type: 'string', meaning: 'uid of another event.' },
  user: { type: 'string', meaning: 'Gatehouse user name of who did it.' },
  version: { type: 'string', meaning: 'Version of Gatehouse.' },
} as const satisfies Record<string, FieldSpec>;

export type FieldName = keyof typeof FIELDS;

interface ValueTypes {
  readonly string: string;
  readonly integer: number;
  readonly boolean: boolean;
  readonly strings: readonly string[];
  readonly map: Readonly<Record<string, string>>;
  readonly lists: Readonly<Record<string, readonly string[]>>;
}

export type FieldValue<N extends FieldName> = ValueTypes[(typeof FIELDS)[N]['type']];

/** One event type: its codes, its meaning and the names of its fields. */
export interface EventSpec {
  /** Code of the event; `failed` is used when the event says `success: false`. Never reuse a code. */
  readonly codes: { readonly ok: string; readonly failed?: string };
  readonly meaning: string;
  readonly fields: readonly FieldName[];
  readonly optional: readonly FieldName[];
}
