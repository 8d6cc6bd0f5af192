// The few shapes that most fields of the config file have: all may be left out, and all are bounded.
import * as s from '#core/schema/schema.ts';

export const text = (description = ''): s.OptionalSchema<string> =>
  s.optional(s.string({ maxLength: 4096, description }));

/** One plain value or a list. */
export const words = (description = ''): s.OptionalSchema<readonly string[]> =>
  s.optional(s.list(s.string({ maxLength: 4096 }), { single: true, max: 1024, description }));

/** true and false, yes and no, on and off. */
export const flag = (description = ''): s.OptionalSchema<boolean> => s.optional(s.boolean({ description }));

export const time = (description = '', minMs = 0): s.OptionalSchema<string> =>
  s.optional(s.duration({ minMs, description }));

/** Not looked into. */
export const any = (description = ''): s.OptionalSchema<unknown> => s.optional(s.json({ description }));

export const labels = s.optional(s.map(s.string({ maxLength: 1024 }), { max: 256 }));

export const commands = s.optional(
  s.list(
    s.object({
      name: s.string({ minLength: 1, maxLength: 255 }),
      command: s.list(s.string({ maxLength: 4096 }), { single: true, max: 64 }),
      period: s.withDefault(
        s.duration({ minMs: 60_000, description: 'How often the command runs; at least 1m.' }),
        '1m',
      ),
    }),
    { max: 256 },
  ),
);
