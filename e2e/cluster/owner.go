// Ends this process when the one that started it ends.
//
// The owner keeps the write end of a pipe that is our standard input. However the owner ends, be
// it by kill -9, the kernel closes that end, and our read returns. Nothing is ever written to it.

package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// ownedFolder names the variable that asks for it: the folder of the cluster, which goes with its
// owner. Without it, standard input is the component's own (kubectl apply -f -).
const ownedFolder = "TOLLGATE_OWNED_FOLDER"

// folderPrefix is how such a folder's name begins: no other is removed.
const folderPrefix = "tollgate-cluster-"

// watchOwner returns at once, and later ends the process when standard input does. Nothing is
// flushed: the data of a cluster without an owner is of no use to anybody.
func watchOwner() {
	folder := os.Getenv(ownedFolder)
	if folder == "" {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		if strings.HasPrefix(filepath.Base(folder), folderPrefix) {
			// A file that another component writes meanwhile is left to that one's own attempt.
			_ = os.RemoveAll(folder)
		}
		os.Exit(1)
	}()
}
