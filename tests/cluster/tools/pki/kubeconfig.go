package main

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// writeKubeconfig writes NAME.kubeconfig, with which the owner of NAME.crt talks to the API server. YAML readers read
// JSON too.
func (a *authority) writeKubeconfig(name, server, context string) error {
	files := map[string][]byte{a.name + ".crt": nil, name + ".crt": nil, name + ".key": nil}
	for file := range files {
		content, err := os.ReadFile(filepath.Join(a.dir, file))
		if err != nil {
			return err
		}
		files[file] = content // encoding/json writes bytes as base64, as a kubeconfig wants them
	}
	type object map[string]any
	text, err := json.MarshalIndent(object{
		"apiVersion": "v1",
		"kind":       "Config",
		"clusters": []object{{"name": context, "cluster": object{
			"server": server, "certificate-authority-data": files[a.name+".crt"],
		}}},
		"users": []object{{"name": name, "user": object{
			"client-certificate-data": files[name+".crt"], "client-key-data": files[name+".key"],
		}}},
		"contexts":        []object{{"name": context, "context": object{"cluster": context, "user": name}}},
		"current-context": context,
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(a.dir, name+".kubeconfig"), append(text, '\n'), 0o600)
}
