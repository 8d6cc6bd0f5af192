// Every kind there is, in the order of `get all` and of restoring: what others refer to comes first.
import { findKind, type Kind } from '#core/kind.ts';
import { appServerKind } from './app-server/kind.ts';
import { appKind } from './app/kind.ts';
import { auditStateKind } from './audit-state/kind.ts';
import { certAuthorityKeyKind } from './cert-authority-key/kind.ts';
import { certAuthorityKind } from './cert-authority/kind.ts';
import { authPreferenceKind } from './cluster-auth-preference/kind.ts';
import { clusterNameKind } from './cluster-name/kind.ts';
import { networkingConfigKind } from './cluster-networking-config/kind.ts';
import { dbServerKind } from './db-server/kind.ts';
import { dbKind } from './db/kind.ts';
import { instanceKind } from './instance/kind.ts';
import { inviteKind } from './invite/kind.ts';
import { lockKind } from './lock/kind.ts';
import { loginAttemptsKind } from './login-attempts/kind.ts';
import { mfaDeviceKind } from './mfa-device/kind.ts';
import { nodeKind } from './node/kind.ts';
import { proxyKind } from './proxy/kind.ts';
import { roleKind } from './role/kind.ts';
import { sessionKind } from './session/kind.ts';
import { sessionRecordingConfigKind } from './session-recording-config/kind.ts';
import { tokenKind } from './token/kind.ts';
import { userPasswordKind } from './user-password/kind.ts';
import { userKind } from './user/kind.ts';
import { webSessionKind } from './web-session/kind.ts';

export const KINDS: readonly Kind[] = [
  clusterNameKind,
  authPreferenceKind,
  networkingConfigKind,
  sessionRecordingConfigKind,
  certAuthorityKind,
  certAuthorityKeyKind,
  roleKind,
  userKind,
  lockKind,
  userPasswordKind,
  mfaDeviceKind,
  loginAttemptsKind,
  inviteKind,
  tokenKind,
  dbKind,
  appKind,
  proxyKind,
  nodeKind,
  dbServerKind,
  appServerKind,
  sessionKind,
  webSessionKind,
  instanceKind,
  auditStateKind,
];

/** Finds a kind by name, plural or alias; BAD_REQUEST suggests the nearest. */
export const kindOf = (word: string): Kind => findKind(KINDS, word);
