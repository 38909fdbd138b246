// What is in the binary. Another component is one line, and its import.

package main

import (
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"

	// As in each component's own main: the JSON log format, and metrics of its API client.
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
)

// components gives each name a function that runs it with os.Args and returns the exit code.
var components = map[string]func() int{
	"etcd":                    etcd,
	"kube-apiserver":          command(apiserver.NewAPIServerCommand),
	"kube-controller-manager": command(controllers.NewControllerManagerCommand),
	"kubectl":                 command(kubectl.NewDefaultKubectlCommand),
}

// command puts off building the command until it is chosen: several in one process would share
// feature gates.
func command(build func() *cobra.Command) func() int {
	return func() int { return cli.Run(build()) }
}

// etcd exits by itself when it fails.
func etcd() int {
	etcdmain.Main(os.Args)
	return 0
}
