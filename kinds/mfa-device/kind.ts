// A second factor of a user. A record of its own per device, so that adding one cannot undo another.
import { defineKind } from '#core/kind.ts';
import { resourceName } from '#core/resource.ts';
import * as s from '#core/schema/schema.ts';

const spec = s.object({
  user: s.string({ format: resourceName }),
  type: s.enumOf(['totp']),
  name: s.string({ minLength: 1, maxLength: 128, description: 'What the user calls it.' }),
  secret: s.string({ minLength: 16, maxLength: 256, secret: true, description: 'Base32.' }),
  added: s.timestamp(),
  last_used: s.optional(s.timestamp()),
  last_counter: s.withDefault(
    s.integer({ description: 'The newest time step that was accepted; codes up to it are refused.' }),
    0,
  ),
});

export type MfaDeviceSpec = s.Infer<typeof spec>;

export const mfaDeviceKind = defineKind<MfaDeviceSpec>({
  name: 'mfa_device',
  audience: 'internal',
  description: 'A second factor of a user; named "user:device id".',
  versions: ['v1'],
  spec,
  columns: [
    { title: 'User', value: (device) => device.spec.user },
    { title: 'Device', value: (device) => device.spec.name },
    { title: 'Type', value: (device) => device.spec.type },
    { title: 'Added', value: (device) => device.spec.added },
  ],
  check: (device) =>
    device.metadata.name.startsWith(`${device.spec.user}:`)
      ? []
      : [{ path: ['metadata', 'name'], message: 'must be the user, a colon and the id of the device' }],
});

/** The record's name; `id` is a UUID, so the part after the last colon. */
export const mfaDeviceName = (user: string, id: string): string => `${user}:${id}`;
