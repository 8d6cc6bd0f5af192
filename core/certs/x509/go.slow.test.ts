// Go as judge: it refuses what OpenSSL lets pass (numbers of extensions, for one), and much of what meets our certificates is
// written in it. Needs go; slow because it is compiled.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { HOUR, makeKeys, NOW } from '#test/kit/certs.ts';
import { identityExtension } from './identity.ts';
import { issueSelfSignedCa, issueX509, x509Issuer } from './issue.ts';
import { parseX509 } from './parse.ts';
import { certificateToPem } from './pem.ts';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-go-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Verifies each pair of files, certificate and key, for both uses, by the authorities in the first file. */
const PROGRAM = `package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"
)

func main() {
	pem, _ := os.ReadFile(os.Args[1])
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		fmt.Println("no authorities")
		os.Exit(1)
	}
	at, _ := time.Parse(time.RFC3339, os.Args[2])
	for i := 3; i < len(os.Args); i += 2 {
		pair, err := tls.LoadX509KeyPair(os.Args[i], os.Args[i+1])
		if err == nil {
			uses := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
			var leaf *x509.Certificate
			leaf, err = x509.ParseCertificate(pair.Certificate[0])
			if err == nil {
				_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: uses})
			}
			if err == nil {
				_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, DNSName: "web.example.com"})
			}
		}
		fmt.Println(err)
	}
}
`;

test('ok: Go loads and verifies certificates with an identity, of every kind of key', () => {
  const keys = makeKeys();
  const authority = parseX509(
    issueSelfSignedCa({
      subject: { commonName: 'cluster-1', organization: ['Gatehouse Zürich'] },
      privateKey: keys.p256,
      notBefore: NOW - HOUR,
      notAfter: NOW + HOUR,
    }),
  );
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const pairs = Object.entries(keys).flatMap(([name, key]) => {
    const leaf = issueX509({
      subject: { commonName: 'joe@example.com', organization: ['dev'] },
      publicKey: key,
      notBefore: NOW,
      notAfter: NOW + HOUR,
      extKeyUsage: ['clientAuth', 'serverAuth'],
      dnsNames: ['web.example.com'],
      extensions: [identityExtension({ kind: 'user' })],
      issuer: x509Issuer(authority, keys.p256),
    });
    const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
    return [write(`${name}.pem`, certificateToPem(leaf)), write(`${name}-key.pem`, pem)];
  });
  const program = join(folder, 'judge');
  write('main.go', PROGRAM);
  write('go.mod', 'module judge\n\ngo 1.19\n');
  execFileSync('go', ['build', '-o', program, '.'], { cwd: folder });
  const at = new Date(NOW + 60_000).toISOString();
  const said = execFileSync(program, [
    write('ca.pem', certificateToPem(authority.der)),
    at,
    ...pairs,
  ]).toString();
  expect(said).toBe('<nil>\n'.repeat(pairs.length / 2));
}, 300_000);
