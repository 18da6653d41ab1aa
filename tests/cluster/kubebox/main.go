// Command kubebox is every program of a Kubernetes cluster in one binary: the daemons and kubectl. The name under
// which it is called (a link to it), or else its first argument, chooses the program. One binary instead of seven
// links the packages that they share only once, and the processes share its pages.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // registers the metrics of API clients
	_ "k8s.io/component-base/metrics/prometheus/version"  // registers the metric with the version
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// programs returns what each name runs; the value is the exit code.
func programs() map[string]func() int {
	run := func(command *cobra.Command) int { return cli.Run(command) }
	return map[string]func() int{
		"etcd":                    func() int { etcdmain.Main(os.Args); return 0 },
		"kube-apiserver":          func() int { return run(apiserver.NewAPIServerCommand()) },
		"kube-controller-manager": func() int { return run(controllermanager.NewControllerManagerCommand()) },
		"kube-scheduler":          func() int { return run(scheduler.NewSchedulerCommand()) },
		"kube-proxy":              func() int { return run(proxy.NewProxyCommand()) },
		"kubelet":                 func() int { return run(kubelet.NewKubeletCommand(context.Background())) },
		"kubectl": func() int {
			kubectlutil.CheckErr(cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand())) // ends the process if it failed
			return 0
		},
	}
}

func main() {
	known := programs()
	if run, ok := known[filepath.Base(os.Args[0])]; ok {
		os.Exit(run())
	}
	if len(os.Args) > 1 {
		if run, ok := known[os.Args[1]]; ok {
			os.Args = os.Args[1:]
			os.Exit(run())
		}
	}
	var names []string
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintf(os.Stderr, "kubebox: give one of: %s\n", strings.Join(names, ", "))
	os.Exit(2)
}
