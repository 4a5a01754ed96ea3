// Command pulumi-resource-kubernetes is an offline stand-in for Pulumi's
// Kubernetes provider, for machines that cannot reach Pulumi's plugin host. It
// serves objects of any kind, `…Patch` resources and Helm releases, and
// behaves there as release 4.32.0 of the real provider does. It renders no
// YAML, serves no invokes and no component resources.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"k8s.io/klog/v2"
)

// version is the release of the real provider this one stands in for; set it
// with -ldflags "-X main.version=…".
var version = "4.32.0"

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve speaks Pulumi's plugin protocol: the engine's address is the last
// argument, the port goes to stdout, and SIGINT means the engine is done.
func serve() error {
	// The engine shows a plugin's stderr to the user: keep libraries quiet.
	klog.SetLogger(logr.Discard())
	log.SetOutput(io.Discard)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	provider := newProvider()
	if addr := os.Args[len(os.Args)-1]; len(os.Args) > 1 && !strings.HasPrefix(addr, "-") {
		if err := provider.engine.connect(addr); err != nil {
			return fmt.Errorf("connecting to the engine: %w", err)
		}
		// An engine that was killed leaves no signal: watch its health.
		if err := rpcutil.Healthcheck(ctx, addr, 5*time.Minute, stop); err != nil {
			return fmt.Errorf("watching the engine: %w", err)
		}
	}

	done := make(chan bool)
	go func() {
		<-ctx.Done()
		close(done)
	}()
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: done,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterResourceProviderServer(server, provider)
			return nil
		},
	})
	if err != nil {
		return err
	}
	fmt.Println(handle.Port)
	return <-handle.Done
}
