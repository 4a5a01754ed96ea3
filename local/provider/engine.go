package main

import (
	"context"
	"sync/atomic"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// engine is the way back to Pulumi: messages and progress for the user.
type engine struct {
	client atomic.Pointer[pulumirpc.EngineClient]
}

func (e *engine) connect(addr string) error {
	conn, err := grpc.NewClient(addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()), rpcutil.GrpcChannelOptions())
	if err != nil {
		return err
	}
	client := pulumirpc.NewEngineClient(conn)
	e.client.Store(&client)
	return nil
}

// status shows progress beside the resource; the next status replaces it.
func (e *engine) status(urn resource.URN, message string) {
	e.log(urn, pulumirpc.LogSeverity_INFO, message, true)
}

func (e *engine) warn(urn resource.URN, message string) {
	e.log(urn, pulumirpc.LogSeverity_WARNING, message, false)
}

func (e *engine) log(urn resource.URN, severity pulumirpc.LogSeverity, message string, ephemeral bool) {
	client := e.client.Load()
	if client == nil {
		return
	}
	// A message that gets lost is no reason to fail an operation.
	_, _ = (*client).Log(context.Background(), &pulumirpc.LogRequest{
		Severity: severity, Message: message, Urn: string(urn), Ephemeral: ephemeral,
	})
}

// statusOnce returns a status function that drops repeated messages.
func (e *engine) statusOnce(urn resource.URN) func(string) {
	var last atomic.Pointer[string]
	return func(message string) {
		if previous := last.Swap(&message); previous == nil || *previous != message {
			e.status(urn, message)
		}
	}
}
