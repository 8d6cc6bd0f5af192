// What a method of key exchange is: two public values and a secret. All of ours use messages 30 and 31 with one value
// each, so the rest of an exchange is the same for every method.

/** The client's half. */
export interface KexOffer {
  /** What it sends, as the content of a `string`. */
  readonly message: Uint8Array;
  /** The secret in the encoding that is hashed (a whole mpint or string). Throws BAD_REQUEST on a bad answer. */
  finish(answer: Uint8Array): Uint8Array;
}

/** The server's half. */
export interface KexAnswer {
  readonly message: Uint8Array;
  readonly secret: Uint8Array;
}

export interface KexMethod {
  readonly hash: 'sha256' | 'sha384' | 'sha512';
  offer(): KexOffer;
  /** Throws BAD_REQUEST on a bad offer. */
  answer(offer: Uint8Array): KexAnswer;
}

/** The longest public value of all methods (the hybrid's). */
export const MAX_PUBLIC_BYTES = 1300;
