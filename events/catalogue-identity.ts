// Event types about who people and machines are and what they may do: logins, users, roles, certificates, locks.
import type { EventSpec } from './fields.ts';

const WHO_OPTIONAL = ['addr.remote', 'reason'] as const;

export const IDENTITY_EVENTS = {
  auth: {
    codes: { ok: 'GHA00I', failed: 'GHA00W' },
    meaning: 'Authentication attempt at a service, such as an SSH handshake.',
    fields: ['success'],
    optional: [
      'user',
      'login',
      'server_id',
      'addr.local',
      'addr.remote',
      'error',
      'key_id',
      'proto',
      'denial_id',
    ],
  },
  'auth.failure': {
    codes: { ok: 'GHA01W' },
    meaning: 'A call to the auth service came without an identity that could be accepted.',
    fields: ['error'],
    optional: ['user', 'addr.remote', 'method', 'path', 'key_id'],
  },
  'access.denied': {
    codes: { ok: 'GHA02W' },
    meaning: 'A known caller was refused; the denial id was given to the caller, the reasons are for admins.',
    fields: ['denial_id', 'user', 'action', 'resource', 'reasons'],
    optional: ['roles', 'login', 'server_id', 'addr.remote', 'proto', 'sid'],
  },
  'user.login': {
    codes: { ok: 'GHU00I', failed: 'GHU00W' },
    meaning: 'A user logged in with the CLI or a browser, or failed to.',
    fields: ['user', 'method', 'success'],
    optional: ['addr.remote', 'error', 'mfa_device', 'connector', 'roles', 'denial_id'],
  },
  'user.logout': {
    codes: { ok: 'GHU01I' },
    meaning: 'A user ended a login.',
    fields: ['user'],
    optional: WHO_OPTIONAL,
  },
  'user.create': {
    codes: { ok: 'GHU02I' },
    meaning: 'A user was created.',
    fields: ['user', 'name'],
    optional: [...WHO_OPTIONAL, 'roles', 'traits', 'connector', 'expires'],
  },
  'user.update': {
    codes: { ok: 'GHU03I' },
    meaning: 'A user was changed.',
    fields: ['user', 'name'],
    optional: [...WHO_OPTIONAL, 'roles', 'traits', 'connector', 'expires', 'fields_changed'],
  },
  'user.delete': {
    codes: { ok: 'GHU04I' },
    meaning: 'A user was deleted.',
    fields: ['user', 'name'],
    optional: WHO_OPTIONAL,
  },
  'user.password_change': {
    codes: { ok: 'GHU05I', failed: 'GHU05W' },
    meaning: 'A user changed the password, or failed to.',
    fields: ['user', 'success'],
    optional: [...WHO_OPTIONAL, 'error', 'mfa_device'],
  },
  'user.signup': {
    codes: { ok: 'GHU06I', failed: 'GHU06W' },
    meaning: 'An invited person finished the signup, or failed to.',
    fields: ['name', 'success'],
    optional: ['user', 'addr.remote', 'error', 'mfa_device'],
  },
  'user.lockout': {
    codes: { ok: 'GHU07W' },
    meaning: 'A user was locked out after too many failed attempts.',
    fields: ['name'],
    optional: ['user', 'addr.remote', 'expires'],
  },
  'invite.create': {
    codes: { ok: 'GHU08I' },
    meaning: 'An invitation link for a new user was made.',
    fields: ['user', 'name'],
    optional: [...WHO_OPTIONAL, 'roles', 'ttl', 'expires'],
  },
  'reset_password_token.create': {
    codes: { ok: 'GHU09I' },
    meaning: 'A link to reset the credentials of a user was made.',
    fields: ['user', 'name'],
    optional: [...WHO_OPTIONAL, 'ttl', 'expires'],
  },
  'mfa.add': {
    codes: { ok: 'GHU10I' },
    meaning: 'A user registered a second factor.',
    fields: ['user', 'mfa_device'],
    optional: WHO_OPTIONAL,
  },
  'mfa.delete': {
    codes: { ok: 'GHU11I' },
    meaning: 'A second factor was removed.',
    fields: ['user', 'mfa_device'],
    optional: [...WHO_OPTIONAL, 'name'],
  },
  'role.created': {
    codes: { ok: 'GHR00I' },
    meaning: 'A role was created.',
    fields: ['user', 'name'],
    optional: WHO_OPTIONAL,
  },
  'role.updated': {
    codes: { ok: 'GHR01I' },
    meaning: 'A role was changed.',
    fields: ['user', 'name'],
    optional: [...WHO_OPTIONAL, 'fields_changed'],
  },
  'role.deleted': {
    codes: { ok: 'GHR02I' },
    meaning: 'A role was deleted.',
    fields: ['user', 'name'],
    optional: WHO_OPTIONAL,
  },
  'lock.created': {
    codes: { ok: 'GHL00I' },
    meaning: 'A lock was put in force.',
    fields: ['user', 'name', 'lock_target'],
    optional: [...WHO_OPTIONAL, 'expires'],
  },
  'lock.deleted': {
    codes: { ok: 'GHL01I' },
    meaning: 'A lock was lifted.',
    fields: ['user', 'name'],
    optional: [...WHO_OPTIONAL, 'lock_target'],
  },
  'cert.create': {
    codes: { ok: 'GHC00I' },
    meaning: 'A certificate was issued.',
    fields: ['cert_type', 'serial', 'expires'],
    optional: [
      'user',
      'host_id',
      'key_id',
      'public_key',
      'roles',
      'logins',
      'addr.remote',
      'method',
      'role',
      'resource',
    ],
  },
} as const satisfies Record<string, EventSpec>;
