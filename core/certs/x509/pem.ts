// PEM (RFC 7468) for certificates: strict base64, bounded size and count. Private keys are in keys.ts.
import { isCode } from '../../errors/error.ts';
import { refuseInput, type Refuse } from '../refusal.ts';

const MAX_PEM_LENGTH = 1024 * 1024;
const MAX_BLOCKS = 256;
const LABEL = 'CERTIFICATE';
const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,64})-----([A-Za-z0-9+/=\s]*)-----END ([A-Z0-9 ]{1,64})-----/g;

/** One block, ending in a line break. */
export function certificateToPem(der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64');
  const lines = base64.match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${LABEL}-----\n${lines.join('\n')}\n-----END ${LABEL}-----\n`;
}

/**
 * The DER of every certificate in the text, in order; text and blocks of other sorts between them are passed over.
 * Throws (BAD_REQUEST unless `refuse` says otherwise) when there is none, or a block is damaged.
 */
export function certificatesFromPem(text: string, refuse: Refuse = refuseInput): Uint8Array[] {
  if (text.length > MAX_PEM_LENGTH) throw refuse('too-large', 'the PEM text is too long');
  const certificates: Uint8Array[] = [];
  let blocks = 0;
  for (const [, begin = '', body = '', end = ''] of text.matchAll(BLOCK)) {
    blocks += 1;
    if (blocks > MAX_BLOCKS) throw refuse('too-large', `the PEM text has more than ${MAX_BLOCKS} blocks`);
    if (begin !== end) throw refuse('malformed', 'a PEM block ends with another label than it begins with');
    if (begin === LABEL) certificates.push(decodeBody(body, refuse));
  }
  const announced = text.split(`-----BEGIN ${LABEL}-----`).length - 1;
  if (announced !== certificates.length)
    throw refuse('malformed', 'a certificate in the PEM text is damaged');
  if (certificates.length === 0) throw refuse('malformed', 'there is no certificate in the PEM text');
  return certificates;
}

/** The DER of the only certificate in the text. Throws as certificatesFromPem, also when there are several. */
export function derFromPem(text: string, refuse: Refuse = refuseInput): Uint8Array {
  const [certificate, ...others] = certificatesFromPem(text, refuse);
  if (certificate !== undefined && others.length === 0) return certificate;
  throw refuse('malformed', 'one certificate is needed, the PEM text holds several');
}

/** What is wrong with a text that must hold certificates, to complete "it ..."; undefined when it holds some. */
export function certificatesComplaint(text: string): string | undefined {
  try {
    certificatesFromPem(text);
    return undefined;
  } catch (error) {
    if (!isCode(error, 'BAD_REQUEST')) throw error;
    return `must be certificates in PEM: ${error.message}`;
  }
}

function decodeBody(body: string, refuse: Refuse): Uint8Array {
  const base64 = body.replaceAll(/\s/g, '');
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length === 0 || bytes.toString('base64') !== base64) {
    throw refuse('malformed', 'a certificate in the PEM text is not in base64');
  }
  return new Uint8Array(bytes);
}
