// The channel of somebody who came to join a session: takes mode and size, then one `join:` subsystem; from then on it is
// that person's seat in the party. Whoever must see everything holds the session back when slow, and is taken out when
// too slow; others miss what they do not take.
import { JOIN_MODES, type JoinMode } from '#core/access/join-sessions.ts';
import type { Clock, Timer } from '#core/clock.ts';
import { isCode } from '#core/errors/error.ts';
import { JOIN_MODE_VARIABLE, JOIN_REQUESTS, sessionToJoin, TERMINAL_SIZE } from '#wire/join-request.ts';
import { envRequest, exitStatus, ptyRequest, subsystemRequest, windowChange } from '#wire/ssh/payloads.ts';
import type { Channel, ChannelReceiver } from '#wire/ssh/ssh.ts';
import type { SshAccess } from '../context.ts';
import type { TerminalSize } from '../session/parts.ts';
import { sizeOf } from '../session/terminal-size.ts';
import { GuestKeys, type GuestCommand } from './guest-keys.ts';
import type { Party } from './party.ts';
import type { Guest } from './people.ts';
import { notice } from './words.ts';

export interface GuestParts {
  readonly clock: Clock;
  readonly access: SshAccess;
  /** The session, when this person may join it so; a GatehouseError with the text for the person. */
  readonly find: (sessionId: string, mode: JoinMode) => Party;
  /** Why this person may no longer be there. */
  readonly refusal: (party: Party, mode: JoinMode) => string | undefined;
  /** Told when roles or locks changed; returns how to stop. */
  readonly onReview: (listener: () => void) => () => void;
}

/** How long a session waits for somebody who must see it. */
const MOST_BEHIND_MS = 30_000;
/** A window that is smaller would make the session useless to the others. */
const LEAST_SIZE: TerminalSize = { columns: 20, rows: 5 };
const REFUSED = 254;

export class GuestChannel implements ChannelReceiver, Guest {
  /** Set as soon as it was accepted; nothing comes before. */
  channel!: Channel;
  readonly #parts: GuestParts;
  readonly #keys = new GuestKeys();
  #mode: JoinMode = 'observer';
  #size: TerminalSize | undefined;
  #joinedAt = 0;
  #party: Party | undefined;
  #stopReview: (() => void) | undefined;
  #isUsed = false;
  #isBehind = false;
  #hasMissed = false;
  #tooSlow: Timer | undefined;

  constructor(parts: GuestParts) {
    this.#parts = parts;
  }

  get access(): SshAccess {
    return this.#parts.access;
  }

  get mode(): JoinMode {
    return this.#mode;
  }

  get joinedAt(): number {
    return this.#joinedAt;
  }

  get size(): TerminalSize | undefined {
    return this.#size;
  }

  get isBehind(): boolean {
    return this.#isBehind;
  }

  output(data: Uint8Array, mustSee: boolean): void {
    if (this.#isBehind && !mustSee) {
      this.#hasMissed = true;
      return;
    }
    if (this.channel.write(data) || this.#isBehind) return;
    this.#isBehind = true;
    if (mustSee) this.#tooSlow = this.#parts.clock.after(MOST_BEHIND_MS, () => this.#removeSlow());
  }

  tell(text: string): void {
    this.channel.write(Buffer.from(text));
  }

  resized(size: TerminalSize): void {
    if (!this.channel.isOpen) return;
    this.channel.notify(TERMINAL_SIZE, windowChange.encode({ ...size, widthPixels: 0, heightPixels: 0 }));
  }

  ended(why: string): void {
    this.#party = undefined;
    this.#close(why, 0);
  }

  onData(data: Buffer): void {
    this.channel.consumed(data.length);
    if (this.#party === undefined) return;
    if (this.#mode === 'peer') this.#party.type(this, data);
    else for (const command of this.#keys.read(data)) this.#command(command);
  }

  onStderr(data: Buffer): void {
    this.channel.consumed(data.length);
  }

  onDrain(): void {
    if (!this.#isBehind) return;
    this.#isBehind = false;
    this.#tooSlow?.cancel();
    if (this.#hasMissed) this.tell(notice('some output was left out: the connection was too slow for it'));
    this.#hasMissed = false;
    this.#party?.caughtUp();
  }

  onClose(): void {
    this.#leave();
  }

  onRequest(name: string, payload: Uint8Array): boolean {
    try {
      return this.#request(name, payload);
    } catch (error) {
      if (isCode(error)) return false;
      throw error;
    }
  }

  #request(name: string, payload: Uint8Array): boolean {
    switch (name) {
      case 'env':
        return this.#setMode(envRequest.decode(payload));
      case 'pty-req':
        this.#size = guestSize(ptyRequest.decode(payload));
        return true;
      case 'window-change':
        this.#size = guestSize(windowChange.decode(payload));
        this.#party?.resizeGuest();
        return true;
      case 'subsystem':
        return this.#enter(subsystemRequest.decode(payload).name);
      case JOIN_REQUESTS.terminate:
        return this.#command('terminate');
      case JOIN_REQUESTS.pause:
        return this.#command('pause');
      case JOIN_REQUESTS.resume:
        return this.#command('resume');
      default:
        return false;
    }
  }

  #setMode({ name, value }: { readonly name: string; readonly value: string }): boolean {
    const mode = JOIN_MODES.find((one) => one === value);
    if (this.#isUsed || name !== JOIN_MODE_VARIABLE) return false;
    // A word that is not known must not end as a mode that was not asked for.
    if (mode === undefined)
      this.#close(`there is no mode like that; there are ${JOIN_MODES.join(', ')}`, REFUSED);
    else this.#mode = mode;
    return mode !== undefined;
  }

  #enter(subsystem: string): boolean {
    const sessionId = sessionToJoin(subsystem);
    if (sessionId === undefined || this.#isUsed) return false;
    this.#isUsed = true;
    const { find, clock, onReview } = this.#parts;
    this.#joinedAt = clock.now();
    try {
      const party = find(sessionId, this.#mode);
      this.#party = party;
      party.join(this);
      this.#stopReview = onReview(() => this.#review());
    } catch (error) {
      if (!isCode(error)) throw error;
      this.#party = undefined;
      this.#close(error.message, REFUSED);
    }
    return true;
  }

  #command(command: GuestCommand): boolean {
    const party = this.#party;
    if (party === undefined) return false;
    if (command !== 'leave') return party.control(this, command);
    this.#leave();
    this.#close('you left the session', 0);
    return true;
  }

  #review(): void {
    const party = this.#party;
    const refusal = party && this.#parts.refusal(party, this.#mode);
    if (refusal !== undefined) party?.remove(this, refusal);
  }

  #removeSlow(): void {
    this.#party?.remove(this, 'the connection is too slow to see the session');
  }

  #leave(): void {
    const party = this.#party;
    this.#party = undefined;
    this.#stopReview?.();
    this.#tooSlow?.cancel();
    party?.leave(this);
  }

  #close(why: string, status: number): void {
    this.#stopReview?.();
    this.#tooSlow?.cancel();
    if (!this.channel.isOpen) return;
    if (status === 0) this.tell(notice(why));
    else this.channel.writeStderr(Buffer.from(`${why}\r\n`));
    this.channel.notify('exit-status', exitStatus.encode({ code: status }));
    this.channel.end();
    this.channel.close();
  }
}

function guestSize(size: TerminalSize): TerminalSize {
  const { columns, rows } = sizeOf(size);
  return { columns: Math.max(columns, LEAST_SIZE.columns), rows: Math.max(rows, LEAST_SIZE.rows) };
}
