// What is done with a message, by its number and the moment it comes in: the whole state machine towards a peer as one
// pure function, so that a test can ask it every question (RFC 4250 4.1.2, RFC 4252 5.3, RFC 4253 7.1, 9, 11).
import { MSG } from '../messages.ts';

export interface Moment {
  readonly role: 'server' | 'client';
  /** Before the first keys are in use both ways; until `authenticated()`; afterwards. */
  readonly stage: 'first-keys' | 'login' | 'open';
  /** In a later exchange: the peer's lists came and its NEWKEYS did not. */
  readonly isRekeying: boolean;
  /** The message is the first under the peer's first keys. */
  readonly isFirstSealed: boolean;
}

export type Route =
  | 'disconnect'
  /** The exchange takes it, or refuses it; `kexInit` may begin one. */
  | 'exchange'
  | 'ignore'
  | 'extensions'
  | 'ping'
  | 'unimplemented'
  /** To the layer above. */
  | 'up'
  /** Ends the connection. */
  | 'refuse';

export function routeOf(number: number, moment: Moment): Route {
  if (number === MSG.disconnect) return 'disconnect';
  // Strict for everybody: nothing but the exchange before the first keys.
  if (moment.stage === 'first-keys') return 'exchange';
  if (isChatter(number)) return 'ignore';
  if (moment.isRekeying) return 'exchange';
  if (number >= 80 && number <= 127) return moment.stage === 'open' ? 'up' : 'refuse';
  if (number >= 50 && number <= 79) return routeOfLogin(number, moment);
  if (number >= MSG.kexInit && number <= MSG.kexLast) return routeOfExchange(number, moment);
  return routeOfRest(number, moment);
}

function isChatter(number: number): boolean {
  return number === MSG.ignore || number === MSG.unimplemented || number === MSG.debug;
}

function routeOfLogin(number: number, { role, stage }: Moment): Route {
  if (role === 'server') {
    if (number !== MSG.userauthRequest) return 'refuse';
    // A client may have sent more tries before it heard of the success.
    return stage === 'login' ? 'up' : 'ignore';
  }
  if (stage === 'open' || number === MSG.userauthRequest) return 'refuse';
  return number <= MSG.userauthBanner || number >= MSG.userauthPkOk ? 'up' : 'refuse';
}

function routeOfExchange(number: number, { stage }: Moment): Route {
  if (number > MSG.newKeys && number < MSG.kexFirst) return 'unimplemented';
  // New keys before login would be work for a stranger.
  return number === MSG.kexInit && stage === 'open' ? 'exchange' : 'refuse';
}

function routeOfRest(number: number, moment: Moment): Route {
  const { role, stage } = moment;
  switch (number) {
    case 0:
      return 'refuse';
    case MSG.serviceRequest:
      return role === 'server' && stage === 'login' ? 'up' : 'refuse';
    case MSG.serviceAccept:
      return role === 'client' && stage === 'login' ? 'up' : 'refuse';
    case MSG.extInfo:
      // Right after the first keys; by a server also right before it says that the login succeeded.
      return moment.isFirstSealed || (role === 'client' && stage === 'login') ? 'extensions' : 'refuse';
    case MSG.ping:
      return stage === 'open' ? 'ping' : 'refuse';
    case MSG.pong:
      return stage === 'open' ? 'ignore' : 'refuse';
    default:
      return 'unimplemented';
  }
}
