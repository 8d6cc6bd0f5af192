// One session with a terminal as the people in it have it: who takes part, whether it may go on, how large the terminal
// is, and what is said to all. Its program knows nothing of this; the terminal is held and released from here.
//
//   waiting <──(left again before the start)──> on <──(somebody left, a pause)──(back, continued)──> held
//      └───────────────────────> over <──(its end; on_leave: terminate; a moderator)──┴─────────────────┘
//
// Approval is the presence of people, each bound to one connection: whoever leaves, or loses the right to be there,
// takes it away at once, and coming back is joining anew.
import { actionOnLeave, unmetDuties, type JoinDuty } from '#core/access/require-join.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { SshAccess, SshHost } from '../context.ts';
import type { TerminalSize } from '../session/parts.ts';
import { SessionEvents } from '#client/audit/session-events.ts';
import type { Guest, Stage } from './people.ts';
import { OutputTail } from './tail.ts';
import { Guests } from './guests.ts';
import { notice, waitingFor } from './words.ts';

export interface PartyParts {
  readonly id: string;
  readonly host: SshHost;
  /** Whose session it is; its duties are asked anew each time. */
  readonly owner: SshAccess;
  readonly size: TerminalSize;
  /** To the client of the owner, as long as there is no stage. */
  readonly tell: (text: string) => void;
  /** What the cluster knows of it has changed. */
  readonly onChange: () => void;
  /** Once. */
  readonly onOver: () => void;
}

const LACKS = 'those who must take part in it are not there';

export class Party {
  readonly startedAt: number;
  /** What is run; undefined for a shell. Set once it is known. */
  command: string | undefined;
  readonly #parts: PartyParts;
  readonly #tail = new OutputTail();
  #guests: Guests | undefined;
  #state: 'waiting' | 'on' | 'held' | 'over' = 'on';
  #wasComplete = false;
  #isPaused = false;
  #stage: Stage | undefined;
  #failure: GatehouseError | undefined;
  #gate: { open(): void; fail(error: GatehouseError): void } | undefined;
  #ownerSize: TerminalSize;
  #size: TerminalSize;

  constructor(parts: PartyParts) {
    this.#parts = parts;
    this.#ownerSize = parts.size;
    this.#size = parts.size;
    this.startedAt = parts.host.clock.now();
  }

  get id(): string {
    return this.#parts.id;
  }

  get owner(): SshAccess {
    return this.#parts.owner;
  }

  /** That of the terminal: the smallest of all who type. */
  get size(): TerminalSize {
    return this.#size;
  }

  /** Its program runs, or is being started. */
  get hasBegun(): boolean {
    return this.#stage !== undefined;
  }

  /** Nothing may be typed or shown. */
  get isHeld(): boolean {
    return this.#state !== 'on';
  }

  get isModerated(): boolean {
    return this.owner.duties.length > 0;
  }

  get guests(): readonly Guest[] {
    return this.#guests?.all ?? [];
  }

  /** Everybody who was ever in it, whose session it is first. */
  get everyone(): readonly string[] {
    return [...new Set([this.owner.identity.name, ...(this.#guests?.names ?? [])])];
  }

  /** Somebody who must see everything does not take it as fast as it comes. */
  get isBehind(): boolean {
    return this.#guests !== undefined && this.isModerated && this.#guests.isBehind;
  }

  /** Resolves at once, or when all who must be there are; rejects with ACCESS_DENIED when the session was ended before. */
  async admitted(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const unmet = this.#unmet();
    this.#wasComplete = unmet.length === 0;
    if (this.#wasComplete && !this.#isPaused) {
      this.#state = 'on';
      return;
    }
    this.#state = 'waiting';
    this.#parts.onChange();
    this.#parts.tell(notice(`session ${this.id} starts when others have joined it: ${waitingFor(unmet)}`));
    this.#parts.tell(notice('press Ctrl-C to give up'));
    await new Promise<void>((open, fail) => (this.#gate = { open, fail }));
  }

  /** The program runs. */
  begin(stage: Stage): void {
    this.#stage = stage;
    if (this.#state === 'over') {
      stage.hangUp();
      return;
    }
    if (this.#state === 'waiting') {
      this.#state = 'held';
      stage.hold();
    }
    const { columns, rows } = this.#ownerSize;
    if (columns !== this.#size.columns || rows !== this.#size.rows) stage.fit(this.#size);
    this.review();
    this.#parts.onChange();
  }

  /** LIMIT_EXCEEDED when it is full, NOT_FOUND when it is over. The guest leaves by `leave`. */
  join(guest: Guest): void {
    if (this.#state === 'over') throw new GatehouseError('NOT_FOUND', 'the session is over');
    (this.#guests ??= new Guests()).add(guest);
    const { name } = guest.access.identity;
    this.#eventsOf(guest).joined(guest.mode);
    const tail = this.#tail.read();
    if (tail.length > 0) guest.output(tail, false);
    this.#say(`${name} joined as ${guest.mode}`);
    guest.resized(this.#size);
    this.#fit();
    this.review();
    if (this.#isWaitingOrHeld()) guest.tell(notice(this.#whyHeld()));
    this.#parts.onChange();
  }

  /** Safe to call twice. `why`: it was not their own will. */
  leave(guest: Guest, why?: string): void {
    if (this.#guests?.remove(guest) !== true) return;
    this.#eventsOf(guest).left(guest.mode, why);
    if (this.#state === 'over') return;
    this.#say(`${guest.access.identity.name} left${why === undefined ? '' : ` (${why})`}`);
    // Nobody else could end the pause.
    if (!this.#guests.hasModerator) this.#isPaused = false;
    this.#fit();
    this.review(true);
    this.caughtUp();
    this.#parts.onChange();
  }

  /** Takes an unwilling guest out. */
  remove(guest: Guest, why: string): void {
    this.leave(guest, why);
    guest.ended(why);
  }

  /** Types for a guest; nothing for those who only watch, and while it is held. */
  type(guest: Guest, data: Uint8Array): void {
    if (guest.mode !== 'peer' || this.isHeld || this.#guests?.has(guest) !== true) return;
    this.#stage?.type(data);
  }

  /** What a moderator asks for; false for everybody else. */
  control(guest: Guest, what: 'terminate' | 'pause' | 'resume'): boolean {
    if (guest.mode !== 'moderator' || this.#guests?.has(guest) !== true) return false;
    const { name } = guest.access.identity;
    if (what === 'terminate') this.end(`ended by the moderator ${name}`);
    else if (this.#isPaused !== (what === 'pause')) {
      this.#isPaused = what === 'pause';
      this.#say(this.#isPaused ? `${name} paused the session` : `${name} lets the session go on`);
      this.review();
    }
    return true;
  }

  /** Ends it for all. */
  end(why: string): void {
    if (this.#state === 'over') return;
    this.#say(`the session is ${why}`);
    this.#parts.host.emit(this.#ended(why));
    this.#failure = new GatehouseError('ACCESS_DENIED', `the session was ${why}`);
    this.#gate?.fail(this.#failure);
    const stage = this.#stage;
    if (stage === undefined) this.over();
    else stage.hangUp();
  }

  /** The program has ended, or the owner has gone. Safe to call twice. */
  over(): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#failure ??= new GatehouseError('UNAVAILABLE', 'the client has gone');
    this.#gate?.fail(this.#failure);
    for (const guest of this.guests) {
      this.leave(guest);
      guest.ended('the session is over');
    }
    this.#parts.onOver();
  }

  /** Asks again whether it may go on. `left`: somebody has gone. */
  review(left = false): void {
    if (this.#state === 'over') return;
    const unmet = this.#unmet();
    const isComplete = unmet.length === 0;
    const isLost = left && this.#wasComplete && !isComplete;
    this.#wasComplete = isComplete;
    if (isLost && this.#stage !== undefined && actionOnLeave(unmet) === 'terminate') {
      this.end(`ended, because ${LACKS} any more`);
    } else if (!isComplete || this.#isPaused) this.#hold();
    else this.#goOn();
  }

  /** What the program shows. False: no more for now; `Stage.caughtUp` says when. */
  show(data: Uint8Array): boolean {
    this.#tail.add(data);
    this.#guests?.output(data, this.isModerated);
    return !this.isBehind;
  }

  /** A guest has taken all output, or is gone. */
  caughtUp(): void {
    if (!this.isBehind) this.#stage?.caughtUp();
  }

  /** The owner's window has changed. */
  resizeOwner(size: TerminalSize): void {
    this.#ownerSize = size;
    this.#fit();
  }

  /** A guest's window has changed. */
  resizeGuest(): void {
    this.#fit();
  }

  #unmet(): readonly JoinDuty[] {
    const { duties, identity } = this.owner;
    if (duties.length === 0) return duties;
    return unmetDuties(duties, this.#guests?.attendants ?? [], identity);
  }

  #isWaitingOrHeld(): boolean {
    return this.#state === 'waiting' || this.#state === 'held';
  }

  #hold(): void {
    if (this.#isWaitingOrHeld()) return;
    this.#state = this.#stage === undefined ? 'waiting' : 'held';
    this.#stage?.hold();
    this.#say(this.#whyHeld());
    this.#parts.onChange();
  }

  #goOn(): void {
    if (!this.#isWaitingOrHeld()) return;
    const hadBegun = this.#stage !== undefined;
    this.#say(hadBegun ? 'the session goes on' : 'the session starts');
    this.#state = 'on';
    this.#stage?.release();
    this.#gate?.open();
    this.#parts.onChange();
  }

  #whyHeld(): string {
    const unmet = this.#unmet();
    if (unmet.length > 0) return `the session waits for ${waitingFor(unmet)}`;
    return 'the session is paused by a moderator';
  }

  #fit(): void {
    const { columns, rows } = this.#guests?.fit(this.#ownerSize) ?? this.#ownerSize;
    if (columns === this.#size.columns && rows === this.#size.rows) return;
    this.#size = { columns, rows };
    this.#stage?.fit(this.#size);
    this.#guests?.resized(this.#size);
  }

  #say(text: string): void {
    const line = notice(text);
    if (this.#stage === undefined) this.#parts.tell(line);
    else this.#stage.tell(line);
    this.#guests?.tell(line);
  }

  /** Events of a guest are about the account of the session, not that of joining. */
  #eventsOf({ access }: Guest): SessionEvents {
    const { identity, remoteAddress, localAddress } = access;
    return new SessionEvents({
      host: this.#parts.host,
      sessionId: this.id,
      access: { identity, remoteAddress, localAddress, login: this.owner.login },
    });
  }

  #ended(reason: string) {
    const { host, owner, id } = this.#parts;
    return {
      event: 'client.disconnect',
      user: owner.identity.name,
      login: owner.login,
      sid: id,
      server_id: host.hostId,
      server_hostname: host.hostname,
      'addr.remote': owner.remoteAddress,
      'addr.local': owner.localAddress,
      proto: 'ssh',
      reason,
    };
  }
}
