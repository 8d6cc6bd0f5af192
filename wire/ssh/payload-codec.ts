// Codecs of SSH payloads, put together from fields: one list of fields gives the type, the encoder and a decoder that is
// bounded and takes nothing but the exact form. Separate from the payloads themselves, which are only such lists.
import { refuseInput } from '#core/certs/refusal.ts';
import { WireReader, WireWriter } from '#core/certs/ssh/wire.ts';

export interface Field<T> {
  write(writer: WireWriter, value: T): void;
  /** Throws BAD_REQUEST. `what` names the field in messages. */
  read(reader: WireReader, what: string): T;
}

export interface PayloadCodec<T> {
  encode(value: T): Uint8Array;
  /** Throws BAD_REQUEST (`details.reason`: `malformed`, `too-large`, `trailing-bytes`). */
  decode(payload: Uint8Array): T;
}

type Fields<T> = { readonly [K in keyof T]: Field<T[K]> };

/** The fields in the order of the wire. */
export function payload<T extends object>(name: string, fields: Fields<T>): PayloadCodec<T> {
  const entries = Object.entries(fields) as [keyof T & string, Field<unknown>][];
  return {
    encode(value) {
      const writer = new WireWriter(64);
      for (const [key, field] of entries) field.write(writer, value[key]);
      return writer.finish();
    },
    decode(bytes) {
      const reader = new WireReader(bytes, refuseInput);
      const value: Partial<Record<keyof T, unknown>> = {};
      for (const [key, field] of entries) value[key] = field.read(reader, `${key} of ${name}`);
      reader.end(name);
      return value as T;
    },
  };
}

export const uint32: Field<number> = {
  write: (writer, value) => void writer.uint32(value),
  read: (reader, what) => reader.uint32(what),
};

export const flag: Field<boolean> = {
  write: (writer, value) => void writer.raw(Uint8Array.of(value ? 1 : 0)),
  read: (reader, what) => reader.raw(1, what)[0] !== 0,
};

/** Valid UTF-8 of at most `maxBytes`; NUL is refused, because what comes next is often a C program. */
export function text(maxBytes: number): Field<string> {
  return {
    write: (writer, value) => void writer.string(value),
    read(reader, what) {
      const value = reader.text(what, maxBytes);
      if (value.includes('\0')) throw refuseInput('malformed', `${what} has a NUL in it`);
      return value;
    },
  };
}

/** Any bytes; a copy, so that what is kept does not keep the packet. */
export function bytes(maxBytes: number): Field<Uint8Array> {
  return {
    write: (writer, value) => void writer.string(value),
    read: (reader, what) => new Uint8Array(reader.bytes(what, maxBytes)),
  };
}
