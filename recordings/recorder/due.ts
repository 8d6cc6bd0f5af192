// When the next step of a recording is due. The clock of a machine may be set back: no step is ever further away than
// its delay.

export interface Due {
  /** When the waiting began, by the clock; undefined when nothing waits. */
  readonly since: number | undefined;
  readonly afterMs: number;
}

export function isDue({ since, afterMs }: Due, now: number): boolean {
  return since !== undefined && (now - since >= afterMs || now < since);
}

/** Milliseconds until the first of them is due; undefined when nothing waits. */
export function untilFirst(dues: readonly Due[], now: number): number | undefined {
  let first: number | undefined;
  for (const due of dues) {
    if (due.since === undefined) continue;
    const left = isDue(due, now) ? 0 : due.since + due.afterMs - now;
    if (first === undefined || left < first) first = left;
  }
  return first;
}
