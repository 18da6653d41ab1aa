package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func write(t *testing.T) (string, *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	c := cluster{dir: dir, context: "lab", api: "10.88.0.10", apiInside: "10.96.0.1", nodes: []string{"node1=10.88.0.11"}}
	if err := c.write(); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(read(t, dir, "ca.crt"))
	return dir, roots
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestCertificatesFitTheirKeysAndAuthority(t *testing.T) {
	dir, roots := write(t)
	cases := []struct {
		file, host, user string
		groups           []string
	}{
		{"apiserver", "10.88.0.10", "kube-apiserver", nil},
		{"apiserver", "10.96.0.1", "kube-apiserver", nil},
		{"apiserver", "kubernetes.default.svc", "kube-apiserver", nil},
		{"admin", "", "chaos-go-admin", []string{"system:masters"}},
		{"kubelet-node1", "", "system:node:node1", []string{"system:nodes"}},
		{"kubelet-server-node1", "10.88.0.11", "node1", nil},
	}
	for _, c := range cases {
		pair, err := tls.X509KeyPair(read(t, dir, c.file+".crt"), read(t, dir, c.file+".key"))
		if err != nil {
			t.Fatalf("%s: %v", c.file, err)
		}
		options := x509.VerifyOptions{Roots: roots, DNSName: c.host, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		if _, err := pair.Leaf.Verify(options); err != nil {
			t.Errorf("%s for %q: %v", c.file, c.host, err)
		}
		if got := pair.Leaf.Subject; got.CommonName != c.user || !slices.Equal(got.Organization, c.groups) {
			t.Errorf("%s is of %v, want user %s of groups %v", c.file, got, c.user, c.groups)
		}
	}
}

func TestOneClusterDoesNotTrustAnother(t *testing.T) {
	dir, _ := write(t)
	_, others := write(t)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "apiserver.crt"), filepath.Join(dir, "apiserver.key"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: others}); err == nil {
		t.Error("the certificate of one cluster is valid in another")
	}
}

func TestKubeconfigHasServerAndKeys(t *testing.T) {
	dir, _ := write(t)
	var kubeconfig struct {
		Clusters []struct{ Cluster map[string]string }
		Users    []struct{ User map[string]string }
		Context  string `json:"current-context"`
	}
	if err := json.Unmarshal(read(t, dir, "admin.kubeconfig"), &kubeconfig); err != nil {
		t.Fatal(err)
	}
	if got := kubeconfig.Clusters[0].Cluster["server"]; got != "https://10.88.0.10:6443" || kubeconfig.Context != "lab" {
		t.Errorf("server %s, context %s", got, kubeconfig.Context)
	}
	key, err := base64.StdEncoding.DecodeString(kubeconfig.Users[0].User["client-key-data"])
	if err != nil || !slices.Equal(key, read(t, dir, "admin.key")) {
		t.Errorf("the key in the kubeconfig is not that of the file: %v", err)
	}
}

func TestNodeWithoutAddressIsRefused(t *testing.T) {
	c := cluster{dir: t.TempDir(), nodes: []string{"node1"}}
	if err := c.write(); err == nil {
		t.Error("a node without an address was accepted")
	}
}
