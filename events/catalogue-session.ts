// Event types of sessions on servers: what people and programs did there.
// Apart from the other themes because agents emit these, and auth only those of the other files.
import type { EventSpec } from './fields.ts';

const SSH = ['user', 'login', 'sid', 'server_id'] as const;
const SSH_OPTIONAL = [
  'namespace',
  'server_hostname',
  'server_labels',
  'addr.local',
  'addr.remote',
  'proto',
  'mfa_device',
  'impersonator',
] as const;
const KERNEL = ['user', 'login', 'sid', 'server_id', 'pid', 'program'] as const;

export const SESSION_EVENTS = {
  'session.start': {
    codes: { ok: 'GHS00I' },
    meaning: 'Started an interactive shell session.',
    fields: SSH,
    optional: [...SSH_OPTIONAL, 'size', 'initial_command'],
  },
  'session.end': {
    codes: { ok: 'GHS01I' },
    meaning: 'An interactive shell session has ended.',
    fields: SSH,
    optional: [...SSH_OPTIONAL, 'interactive', 'participants', 'start_time', 'end_time', 'exitCode'],
  },
  'session.join': {
    codes: { ok: 'GHS02I' },
    meaning: 'A new user has joined the existing interactive shell session.',
    fields: SSH,
    optional: [...SSH_OPTIONAL, 'mode', 'reason'],
  },
  'session.leave': {
    codes: { ok: 'GHS03I' },
    meaning: 'A user has left the session.',
    fields: SSH,
    optional: [...SSH_OPTIONAL, 'mode', 'reason'],
  },
  'session.disk': {
    codes: { ok: 'GHS04I' },
    meaning: 'A file was opened during the session. Requires enhanced session recording.',
    fields: KERNEL,
    optional: ['namespace', 'path', 'return_code'],
  },
  'session.network': {
    codes: { ok: 'GHS05I' },
    meaning: 'A network connection was made during the session. Requires enhanced session recording.',
    fields: KERNEL,
    optional: ['namespace', 'dst_addr', 'dst_port', 'return_code'],
  },
  'session.command': {
    codes: { ok: 'GHS06I' },
    meaning: 'A program was run during the session. Requires enhanced session recording.',
    fields: KERNEL,
    optional: ['namespace', 'path', 'command', 'return_code'],
  },
  'session.rejected': {
    codes: { ok: 'GHS07W' },
    meaning: 'A session was refused by the target, for example because a limit was reached.',
    fields: ['user', 'reason'],
    optional: [
      'login',
      'sid',
      'server_id',
      'server_hostname',
      'addr.remote',
      'proto',
      'denial_id',
      'resource',
    ],
  },
  exec: {
    codes: { ok: 'GHS08I', failed: 'GHS08W' },
    meaning: 'A remote command has been executed via SSH, without a shell session.',
    fields: [...SSH, 'command', 'success'],
    optional: [...SSH_OPTIONAL, 'exitCode', 'exitError'],
  },
  scp: {
    codes: { ok: 'GHS09I', failed: 'GHS09W' },
    meaning: 'A file was copied to or from the server.',
    fields: [...SSH, 'path', 'action', 'success'],
    optional: [...SSH_OPTIONAL, 'len', 'exitCode', 'exitError', 'command'],
  },
  resize: {
    codes: { ok: 'GHS10I' },
    meaning: 'The terminal has been resized.',
    fields: [...SSH, 'size'],
    optional: SSH_OPTIONAL,
  },
  sftp: {
    codes: { ok: 'GHS12I', failed: 'GHS12W' },
    meaning: 'A file or folder was opened, copied or changed by SFTP.',
    fields: [...SSH, 'path', 'action', 'success'],
    optional: [...SSH_OPTIONAL, 'target_path', 'tx', 'rx', 'error'],
  },
  'session.data': {
    codes: { ok: 'GHS13I' },
    meaning: 'How much went through a session, told at its end.',
    fields: [...SSH, 'tx', 'rx'],
    optional: SSH_OPTIONAL,
  },
  port: {
    codes: { ok: 'GHS11I', failed: 'GHS11W' },
    meaning: 'A port, socket, key agent or display was forwarded through the server; `action` says which.',
    fields: [...SSH, 'dst_addr', 'dst_port', 'success'],
    optional: [...SSH_OPTIONAL, 'action', 'error'],
  },
  'client.disconnect': {
    codes: { ok: 'GHS20I' },
    meaning:
      'The server ended a connection or session: a lock, lost access, an expired certificate, idleness, a moderator.',
    fields: ['user', 'reason'],
    optional: [
      'login',
      'sid',
      'server_id',
      'server_hostname',
      'addr.local',
      'addr.remote',
      'proto',
      'impersonator',
    ],
  },
  'session.upload': {
    codes: { ok: 'GHREC00I' },
    meaning: 'The recording of a session was uploaded in full.',
    fields: ['sid'],
    optional: [
      'user',
      'login',
      'server_id',
      'server_hostname',
      'participants',
      'interactive',
      'start_time',
      'end_time',
      'segments',
      'len',
      'head',
      'reason',
    ],
  },
  'session.recording.access': {
    codes: { ok: 'GHREC01I' },
    meaning: 'Somebody read the recording of a session that is not their own.',
    fields: ['sid', 'user'],
    optional: ['impersonator', 'addr.remote', 'participants'],
  },
  'session.recording.delete': {
    codes: { ok: 'GHREC02W' },
    meaning: 'The recording of a session was deleted before its time.',
    fields: ['sid', 'user'],
    optional: ['impersonator', 'addr.remote', 'participants'],
  },
  'recording.failed': {
    codes: { ok: 'GHREC03E' },
    meaning: 'Something of a session is not in its recording, or could not be uploaded.',
    fields: ['sid', 'error'],
    optional: ['action', 'reason', 'server_id', 'user', 'login'],
  },
} as const satisfies Record<string, EventSpec>;
