// Command pki writes the keys, certificates and kubeconfigs of one laboratory cluster.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// cluster is what the certificates must name.
type cluster struct {
	dir       string
	context   string   // name of the context in the kubeconfigs
	api       string   // address of the API server
	apiInside string   // address of the Service "kubernetes"
	nodes     []string // NAME=ADDRESS
}

func main() {
	var c cluster
	flag.StringVar(&c.dir, "dir", "", "write the files into this `folder`")
	flag.StringVar(&c.context, "context", "", "`name` of the context in the kubeconfigs")
	flag.StringVar(&c.api, "api", "", "`address` of the API server")
	flag.StringVar(&c.apiInside, "api-inside", "", "`address` of the API server for pods")
	flag.Parse()
	c.nodes = flag.Args() // NAME=ADDRESS ...
	if err := c.write(); err != nil {
		fmt.Fprintln(os.Stderr, "pki:", err)
		os.Exit(1)
	}
}

func (c *cluster) write() error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	ca, err := newAuthority(c.dir, "ca")
	if err != nil {
		return err
	}
	steps := []func(*authority) error{c.writeServers, c.writeUsers, c.writeNodes, c.writeFrontProxy, c.writeServiceAccounts}
	for _, step := range steps {
		if err := step(ca); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) server() string {
	return "https://" + net.JoinHostPort(c.api, "6443")
}

func (c *cluster) writeServers(ca *authority) error {
	names := []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	err := ca.issue("apiserver", subject{name: "kube-apiserver", dnsNames: names, addresses: []string{"127.0.0.1", c.api, c.apiInside}})
	if err != nil {
		return err
	}
	return ca.issue("apiserver-kubelet-client", subject{name: "kube-apiserver-kubelet-client", groups: []string{"system:masters"}})
}

func (c *cluster) writeUsers(ca *authority) error {
	users := []struct {
		file  string
		owner subject
	}{
		{"admin", subject{name: "chaos-go-admin", groups: []string{"system:masters"}}},
		{"controller-manager", subject{name: "system:kube-controller-manager"}},
		{"scheduler", subject{name: "system:kube-scheduler"}},
		{"proxy", subject{name: "system:kube-proxy"}},
	}
	for _, user := range users {
		if err := ca.issue(user.file, user.owner); err != nil {
			return err
		}
		if err := ca.writeKubeconfig(user.file, c.server(), c.context); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) writeNodes(ca *authority) error {
	for _, node := range c.nodes {
		name, address, found := strings.Cut(node, "=")
		if !found {
			return fmt.Errorf("node %q is not NAME=ADDRESS", node)
		}
		server := subject{name: name, dnsNames: []string{name}, addresses: []string{"127.0.0.1", address}}
		if err := ca.issue("kubelet-server-"+name, server); err != nil {
			return err
		}
		user := subject{name: "system:node:" + name, groups: []string{"system:nodes"}}
		if err := ca.issue("kubelet-"+name, user); err != nil {
			return err
		}
		if err := ca.writeKubeconfig("kubelet-"+name, c.server(), c.context); err != nil {
			return err
		}
	}
	return nil
}

// writeFrontProxy writes the authority for aggregated APIs. Without one of its own, controller-manager and scheduler
// log errors all the time.
func (c *cluster) writeFrontProxy(*authority) error {
	ca, err := newAuthority(c.dir, "front-proxy-ca")
	if err != nil {
		return err
	}
	return ca.issue("front-proxy-client", subject{name: "front-proxy-client"})
}

// writeServiceAccounts writes the key pair that signs the tokens of service accounts.
func (c *cluster) writeServiceAccounts(*authority) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	if err := writeKey(filepath.Join(c.dir, "sa.key"), key); err != nil {
		return err
	}
	return writePEM(filepath.Join(c.dir, "sa.pub"), "PUBLIC KEY", public)
}
