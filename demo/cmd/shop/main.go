// Command shop is a small web shop made of four services, the target of experiments.
package main

import (
	"os"

	"chaosgo/demo/internal/shop"
)

func main() {
	os.Exit(shop.Main(os.Args[1:], os.Stdout, os.Stderr))
}
