// One exchange of keys, first or later, for either role: from the lists to new ciphers (RFC 4253 7 and 8).
//
//   lists --their KEXINIT--> value --30 (server) or 31 (client)--> newKeys --their NEWKEYS--> done
//             |                ^
//             +-> guess -------+   a wrong guess of the client is passed over
//
// It keeps no socket: what it sends and switches goes through the context. Any message it does not expect is refused,
// also from peers without strict key exchange, so nobody in the middle can add messages before the keys (CVE-2023-48795).
import { WireReader, WireWriter } from '#core/certs/ssh/wire.ts';
import { MAX_PACKET_BYTES } from '../limits.ts';
import { MSG } from '../messages.ts';
import type { SshKey } from '../ssh.ts';
import { protocolError, refuseMessage } from './failure.ts';
import { hostKeyAlgorithms, proveHost, requireHostProof } from './host-key.ts';
import {
  agree,
  encodeKexInit,
  isGuessRight,
  isStrict,
  ownLists,
  parseKexInit,
  takesExtensions,
} from './kex-init.ts';
import { takesGcm, type Agreement, type KexInit, type KexLists } from './kex-init.ts';
import { KEX_METHODS } from './key-exchange/all.ts';
import { MAX_PUBLIC_BYTES, type KexOffer } from './key-exchange/method.ts';
import type { Opener, Sealer } from './packet-cipher.ts';
import { hashExchange, makeOpener, makeSealer, type KeyMaterial } from './session-keys.ts';

/** What outlives an exchange. */
export interface KexMemory {
  ownVersion: string;
  peerVersion: string;
  /** Both ends do strict key exchange: decided by the first lists. */
  isStrict: boolean;
  peerTakesExtensions: boolean;
  /** A server offers GCM alone, because the client has it. */
  gcmOnly: boolean;
  sessionId: Uint8Array | undefined;
  /** The host key that was verified; the same one needs no second judgement. */
  hostBlob: Uint8Array | undefined;
}

export interface KexContext {
  readonly role: 'server' | 'client';
  readonly hostKeys: readonly SshKey[];
  readonly hostAlgorithms: readonly string[];
  readonly verifyHost: (offered: { readonly algorithm: string; readonly blob: Uint8Array }) => void;
  readonly memory: KexMemory;
  /** Sends at once, past what waits. */
  send(payload: Uint8Array): void;
  useSealer(sealer: Sealer): void;
  useOpener(opener: Opener): void;
}

type Step = 'lists' | 'guess' | 'value' | 'newKeys' | 'done';

interface OwnInit {
  readonly lists: KexLists;
  readonly payload: Buffer;
}

export class Exchange {
  readonly #context: KexContext;
  readonly #isFirst: boolean;
  #step: Step = 'lists';
  #own: OwnInit | undefined;
  #theirs: KexInit | undefined;
  #agreement: Agreement | undefined;
  #offer: KexOffer | undefined;
  #material: KeyMaterial | undefined;
  /** Own NEWKEYS went out: messages may flow again. */
  hasSealed = false;

  constructor(context: KexContext, isFirst: boolean) {
    this.#context = context;
    this.#isFirst = isFirst;
  }

  get hasStarted(): boolean {
    return this.#own !== undefined;
  }

  get hasTheirLists(): boolean {
    return this.#theirs !== undefined;
  }

  get isDone(): boolean {
    return this.#step === 'done';
  }

  /** Sends this end's lists. */
  start(): void {
    const { role, memory, hostKeys, hostAlgorithms } = this.#context;
    const hostKey = role === 'server' ? hostKeyAlgorithms(hostKeys) : hostAlgorithms;
    const lists = ownLists(role, this.#isFirst, hostKey, memory.gcmOnly);
    const payload = encodeKexInit(lists);
    this.#own = { lists, payload };
    this.#context.send(payload);
  }

  /** Any message that comes while the exchange goes on and is not the transport's chatter. Throws what ends the connection. */
  onMessage(payload: Buffer): void {
    const number = payload[0] ?? 0;
    const wanted = this.#context.role === 'server' ? MSG.kexFirst : MSG.kexReply;
    if (this.#step === 'lists' && number === MSG.kexInit) this.#onLists(payload);
    else if (this.#step === 'guess' && isOfMethod(number)) this.#step = 'value';
    else if (this.#step === 'value' && number === wanted) this.#onValue(payload);
    else if (this.#step === 'newKeys' && number === MSG.newKeys) this.#onNewKeys(payload);
    else throw protocolError(`message ${number} is not allowed in this part of the key exchange`);
  }

  #onLists(payload: Buffer): void {
    const { role, memory } = this.#context;
    const theirs = parseKexInit(payload);
    this.#theirs = theirs;
    if (this.#isFirst) {
      const peer = role === 'server' ? 'client' : 'server';
      memory.isStrict = isStrict(peer, theirs);
      memory.peerTakesExtensions = takesExtensions(peer, theirs);
    }
    if (this.#own === undefined) {
      memory.gcmOnly = role === 'server' && takesGcm(theirs);
      this.start();
    }
    const own = this.#requireOwn();
    const client = role === 'server' ? theirs : own.lists;
    const server = role === 'server' ? own.lists : theirs;
    this.#agreement = agree(client, server);
    this.#step = theirs.isGuessed && !isGuessRight(client, server) ? 'guess' : 'value';
    if (role === 'server') return;
    this.#offer = KEX_METHODS[this.#agreement.kex].offer();
    this.#context.send(messageOf(MSG.kexFirst, this.#offer.message));
  }

  #onValue(payload: Buffer): void {
    if (this.#context.role === 'server') this.#onOffer(payload);
    else this.#onAnswer(payload);
  }

  #onOffer(payload: Buffer): void {
    const { hostKeys } = this.#context;
    const agreement = this.#requireAgreement();
    const reader = new WireReader(payload.subarray(1), refuseMessage);
    const offer = reader.bytes('the public value', MAX_PUBLIC_BYTES);
    reader.end('the key exchange message');
    const method = KEX_METHODS[agreement.kex];
    const { message, secret } = method.answer(offer);
    const proof = proveHost(hostKeys, agreement.hostKey);
    const material = this.#derive(proof.blob, offer, message, secret);
    this.#context.send(messageOf(MSG.kexReply, proof.blob, message, proof.sign(material.exchangeHash)));
    this.#sealWith(material, agreement);
  }

  #onAnswer(payload: Buffer): void {
    const { memory, verifyHost } = this.#context;
    const agreement = this.#requireAgreement();
    const reader = new WireReader(payload.subarray(1), refuseMessage);
    const blob = Buffer.from(reader.bytes('the host key', MAX_PACKET_BYTES));
    const answer = reader.bytes('the public value', MAX_PUBLIC_BYTES);
    const signature = reader.bytes('the signature', MAX_PACKET_BYTES);
    reader.end('the key exchange message');
    const offer = this.#offer;
    if (offer === undefined) throw protocolError('an answer came before the offer');
    if (memory.hostBlob === undefined || !blob.equals(memory.hostBlob)) {
      verifyHost({ algorithm: agreement.hostKey, blob });
    }
    const material = this.#derive(blob, offer.message, answer, offer.finish(answer));
    requireHostProof(agreement.hostKey, blob, material.exchangeHash, signature);
    memory.hostBlob = blob;
    this.#sealWith(material, agreement);
  }

  #derive(hostKey: Uint8Array, offer: Uint8Array, answer: Uint8Array, secret: Uint8Array): KeyMaterial {
    const { role, memory } = this.#context;
    const own = this.#requireOwn().payload;
    const theirs = this.#theirs?.payload ?? own;
    const isServer = role === 'server';
    const { hash } = KEX_METHODS[this.#requireAgreement().kex];
    const exchangeHash = hashExchange(hash, {
      clientVersion: isServer ? memory.peerVersion : memory.ownVersion,
      serverVersion: isServer ? memory.ownVersion : memory.peerVersion,
      clientInit: isServer ? theirs : own,
      serverInit: isServer ? own : theirs,
      hostKey,
      offer,
      answer,
      secret,
    });
    return { hash, secret, exchangeHash, sessionId: memory.sessionId ?? exchangeHash };
  }

  /** Sends NEWKEYS, and seals what follows with the new keys. */
  #sealWith(material: KeyMaterial, agreement: Agreement): void {
    const { role } = this.#context;
    this.#context.send(Uint8Array.of(MSG.newKeys));
    const sealer =
      role === 'server'
        ? makeSealer(material, 'toClient', agreement.toClient)
        : makeSealer(material, 'toServer', agreement.toServer);
    this.#material = material;
    this.#step = 'newKeys';
    // First: the new keys let out what was held, and who hears of the room writes at once and must not be held again.
    this.hasSealed = true;
    this.#context.useSealer(sealer);
  }

  #onNewKeys(payload: Buffer): void {
    const { role, memory } = this.#context;
    const agreement = this.#requireAgreement();
    const material = this.#material;
    if (payload.length !== 1 || material === undefined) throw protocolError('NEWKEYS is malformed');
    const opener =
      role === 'server'
        ? makeOpener(material, 'toServer', agreement.toServer)
        : makeOpener(material, 'toClient', agreement.toClient);
    this.#context.useOpener(opener);
    memory.sessionId ??= material.sessionId;
    this.#step = 'done';
  }

  #requireOwn(): OwnInit {
    if (this.#own === undefined) throw protocolError('the key exchange has not begun');
    return this.#own;
  }

  #requireAgreement(): Agreement {
    if (this.#agreement === undefined) throw protocolError('the key exchange has not begun');
    return this.#agreement;
  }
}

function isOfMethod(number: number): boolean {
  return number >= MSG.kexFirst && number <= MSG.kexLast;
}

function messageOf(number: number, ...strings: readonly Uint8Array[]): Uint8Array {
  const writer = new WireWriter(2048).raw(Uint8Array.of(number));
  for (const bytes of strings) writer.string(bytes);
  return writer.view();
}
