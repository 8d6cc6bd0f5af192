// Event types about the cluster itself: joining, resources, settings, authorities, backups, and the log's own health.
import type { EventSpec } from './fields.ts';

const WHO_OPTIONAL = ['addr.remote', 'reason', 'impersonator'] as const;
const SETTING = {
  fields: ['user'],
  optional: [...WHO_OPTIONAL, 'name', 'fields_changed', 'action'],
} as const;

export const CLUSTER_EVENTS = {
  'token.create': {
    codes: { ok: 'GHJ00I' },
    meaning: 'A join token was made. The token itself is never in the event.',
    fields: ['user', 'roles'],
    optional: [...WHO_OPTIONAL, 'name', 'method', 'ttl', 'expires'],
  },
  'token.delete': {
    codes: { ok: 'GHJ01I' },
    meaning: 'A join token was deleted.',
    fields: ['user'],
    optional: [...WHO_OPTIONAL, 'name', 'method'],
  },
  'instance.join': {
    codes: { ok: 'GHJ02I', failed: 'GHJ02W' },
    meaning: 'A machine joined the cluster, or was refused.',
    fields: ['method', 'success'],
    optional: ['host_id', 'role', 'roles', 'name', 'addr.remote', 'error', 'reasons', 'denial_id'],
  },
  'resource.create': {
    codes: { ok: 'GHRES00I' },
    meaning: 'A resource without an event type of its own was created.',
    fields: ['user', 'kind', 'name'],
    optional: [...WHO_OPTIONAL, 'expires'],
  },
  'resource.update': {
    codes: { ok: 'GHRES01I' },
    meaning: 'A resource without an event type of its own was changed.',
    fields: ['user', 'kind', 'name'],
    optional: [...WHO_OPTIONAL, 'expires', 'fields_changed'],
  },
  'resource.delete': {
    codes: { ok: 'GHRES02I' },
    meaning: 'A resource without an event type of its own was deleted.',
    fields: ['user', 'kind', 'name'],
    optional: WHO_OPTIONAL,
  },
  'auth_preference.update': {
    codes: { ok: 'GHCFG00I' },
    meaning: 'The authentication settings of the cluster were changed.',
    ...SETTING,
  },
  'cluster_networking_config.update': {
    codes: { ok: 'GHCFG01I' },
    meaning: 'The networking settings of the cluster were changed.',
    ...SETTING,
  },
  'session_recording_config.update': {
    codes: { ok: 'GHCFG02I' },
    meaning: 'The session recording settings of the cluster were changed.',
    ...SETTING,
  },
  'cluster_config.update': {
    codes: { ok: 'GHCFG03I' },
    meaning: 'Another setting of the cluster was changed.',
    ...SETTING,
  },
  'ca.rotate': {
    codes: { ok: 'GHCA00I', failed: 'GHCA00E' },
    meaning: 'The rotation of a certificate authority entered a phase, or failed to.',
    fields: ['ca_type', 'phase', 'success'],
    optional: ['user', 'addr.remote', 'reason', 'error'],
  },
  bootstrap: {
    codes: { ok: 'GHCLU00I' },
    meaning: 'A new cluster was set up: authorities, preset roles, first settings.',
    fields: ['name'],
    optional: ['version', 'path', 'kind'],
  },
  'preset.upgrade': {
    codes: { ok: 'GHCLU01I' },
    meaning: 'A preset role was brought up to this version.',
    fields: ['name'],
    optional: ['version', 'fields_changed'],
  },
  'backup.create': {
    codes: { ok: 'GHCLU02I', failed: 'GHCLU02E' },
    meaning: 'A backup of the cluster state was made, or failed.',
    fields: ['success'],
    optional: ['user', 'impersonator', 'addr.remote', 'path', 'len', 'error', 'name'],
  },
  'backup.restore': {
    codes: { ok: 'GHCLU03I', failed: 'GHCLU03E' },
    meaning: 'The cluster state was restored from a backup, or failed to be.',
    fields: ['success'],
    optional: ['user', 'addr.remote', 'path', 'len', 'error', 'name'],
  },
  'audit.verified': {
    codes: { ok: 'GHLOG00I', failed: 'GHLOG00E' },
    meaning:
      'The audit log was checked against its chain and checkpoints; success is false when it was tampered with.',
    fields: ['success', 'findings'],
    optional: ['user', 'impersonator', 'addr.remote', 'path', 'reason'],
  },
  'audit.gap': {
    codes: { ok: 'GHLOG01E' },
    meaning:
      'Events are known to be missing: the disk was full too long, or the log was behind its checkpoint.',
    fields: ['reason'],
    optional: ['lost', 'first_seq', 'last_seq', 'start_time', 'end_time'],
  },
  'audit.quarantined': {
    codes: { ok: 'GHLOG02W' },
    meaning: 'One sink refused an event for good; the event is kept in the quarantine file.',
    fields: ['sink', 'uid_ref', 'first_seq', 'error'],
    optional: ['file'],
  },
  'audit.malformed': {
    codes: { ok: 'GHLOG03W' },
    meaning: 'A part of Gatehouse emitted an event that is not JSON; only its type could be kept.',
    fields: ['name', 'error'],
    optional: [],
  },
} as const satisfies Record<string, EventSpec>;
