// Those who have joined one session, beside the one whose session it is. Made at the first of them: most sessions never
// have any.
import type { Attendant } from '#core/access/require-join.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { TerminalSize } from '../session/parts.ts';
import type { Guest } from './people.ts';

const MAX_GUESTS = 50;

export class Guests {
  readonly #here = new Set<Guest>();
  readonly #everHere = new Set<string>();

  get all(): readonly Guest[] {
    return [...this.#here];
  }

  /** Names of everybody who was ever here. */
  get names(): Iterable<string> {
    return this.#everHere;
  }

  get attendants(): readonly Attendant[] {
    return this.all.map(({ access: { identity }, mode }) => ({
      person: identity,
      mode,
      impersonator: identity.impersonator,
    }));
  }

  get hasModerator(): boolean {
    return this.all.some(({ mode }) => mode === 'moderator');
  }

  /** Somebody has not taken all output yet. */
  get isBehind(): boolean {
    for (const guest of this.#here) if (guest.isBehind) return true;
    return false;
  }

  has(guest: Guest): boolean {
    return this.#here.has(guest);
  }

  /** LIMIT_EXCEEDED when there are as many as a session takes. */
  add(guest: Guest): void {
    if (this.#here.size >= MAX_GUESTS) {
      throw new GatehouseError('LIMIT_EXCEEDED', `${MAX_GUESTS} people have joined the session; more cannot`);
    }
    this.#here.add(guest);
    this.#everHere.add(guest.access.identity.name);
  }

  /** False when this one was not here. */
  remove(guest: Guest): boolean {
    return this.#here.delete(guest);
  }

  output(data: Uint8Array, mustSee: boolean): void {
    for (const guest of this.#here) guest.output(data, mustSee);
  }

  tell(text: string): void {
    for (const guest of this.#here) guest.tell(text);
  }

  resized(size: TerminalSize): void {
    for (const guest of this.#here) guest.resized(size);
  }

  /** As small as the windows of all who type, so that everybody's shows all of it. */
  fit({ columns, rows }: TerminalSize): TerminalSize {
    const fitted = { columns, rows };
    for (const { mode, size } of this.#here) {
      if (mode !== 'peer' || size === undefined) continue;
      fitted.columns = Math.min(fitted.columns, size.columns);
      fitted.rows = Math.min(fitted.rows, size.rows);
    }
    return fitted;
  }
}
