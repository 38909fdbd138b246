// Command cluster is the Kubernetes control plane of our tests in one binary: a component is chosen
// by the name it is called by, or by the first argument.
//
//	cluster etcd --data-dir …
//	ln -s cluster kubectl && ./kubectl get pods
//
// Flags, exit codes and logs are each component's own.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	name, arguments := chosen(os.Args)
	run, known := components[name]
	if !known {
		fmt.Fprintf(os.Stderr, "no component %q; there are %s\n", name, strings.Join(names(), ", "))
		os.Exit(2)
	}
	os.Args = append([]string{name}, arguments...)
	watchOwner()
	os.Exit(run())
}

// chosen splits a command line into the component's name and its arguments.
func chosen(args []string) (string, []string) {
	name := filepath.Base(args[0])
	if _, known := components[name]; known || len(args) < 2 {
		return name, args[1:]
	}
	return args[1], args[2:]
}

func names() []string {
	var all []string
	for name := range components {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
