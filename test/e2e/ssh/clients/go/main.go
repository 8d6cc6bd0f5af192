// A client on golang.org/x/crypto/ssh: key with certificate, host certificate by the cluster's authority, one command.
// Arguments: address, name in the host certificate, login, key file, known_hosts file, command.
package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

func main() {
	address, name, login, keyFile, hostsFile, command := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6]
	signer, err := ssh.ParsePrivateKey(read(keyFile))
	check(err)
	public, _, _, _, err := ssh.ParseAuthorizedKey(read(keyFile + "-cert.pub"))
	check(err)
	certified, err := ssh.NewCertSigner(public.(*ssh.Certificate), signer)
	check(err)
	hosts, err := knownhosts.New(hostsFile)
	check(err)
	client, err := ssh.Dial("tcp", address, &ssh.ClientConfig{
		User:              login,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(certified)},
		HostKeyAlgorithms: []string{ssh.CertAlgoED25519v01},
		HostKeyCallback:   func(_ string, remote net.Addr, key ssh.PublicKey) error { return hosts(name+":22", remote, key) },
		Timeout:           20 * time.Second,
	})
	check(err)
	session, err := client.NewSession()
	check(err)
	output, err := session.Output(command)
	os.Stdout.Write(output)
	if exit, ok := err.(*ssh.ExitError); ok {
		os.Exit(exit.ExitStatus())
	}
	check(err)
}

func read(path string) []byte {
	bytes, err := os.ReadFile(path)
	check(err)
	return bytes
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(255)
	}
}
