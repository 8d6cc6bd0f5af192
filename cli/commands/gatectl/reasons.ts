// Reasons of a decision as lines: side, role and field first, so that the one that decided is found at a glance.
import { oneLine } from '../../format/text.ts';

export interface ShownReason {
  readonly side: string;
  readonly role?: string;
  readonly field?: string;
  readonly message: string;
}

export function reasonLines(reasons: readonly ShownReason[]): string[] {
  if (reasons.length === 0) return ['Reason   none was recorded'];
  return reasons.map(({ side, role, field, message }) => {
    const where = [role === undefined ? undefined : `role "${role}"`, field].filter(
      (part) => part !== undefined,
    );
    return oneLine(`Reason   ${[side, ...where].join(', ')}: ${message}`);
  });
}
