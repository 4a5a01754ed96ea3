package main

import (
	"context"
	"fmt"
	"time"

	"helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// promptClient waits as Helm's client does, but looks again after 100 ms, not
// after 2 s: custom resources are ready, and gone, sooner than that. It ends
// with the engine's operation, too.
type promptClient struct {
	*kube.Client
	ctx    context.Context
	status func(string)
}

func (c *promptClient) Wait(resources kube.ResourceList, timeout time.Duration) error {
	return c.ready(resources, timeout, kube.PausedAsReady(true))
}

func (c *promptClient) WaitWithJobs(resources kube.ResourceList, timeout time.Duration) error {
	return c.ready(resources, timeout, kube.PausedAsReady(true), kube.CheckJobs(true))
}

func (c *promptClient) ready(
	resources kube.ResourceList, timeout time.Duration, options ...kube.ReadyCheckerOption,
) error {
	client, err := c.Factory.KubernetesClientSet()
	if err != nil {
		return err
	}
	checker := kube.NewReadyChecker(client, c.Log, options...)
	failures := 0 // in a row; like Helm, this bears with a server that stumbles
	return c.poll(timeout, func(ctx context.Context) (bool, error) {
		for _, resource := range resources {
			ready, err := checker.IsReady(ctx, resource)
			if err != nil {
				if failures++; failures > 30 || !transient(err) {
					return false, err
				}
				return false, nil
			}
			if !ready {
				return false, nil
			}
		}
		return true, nil
	})
}

func (c *promptClient) WaitForDelete(resources kube.ResourceList, timeout time.Duration) error {
	return c.poll(timeout, func(context.Context) (bool, error) {
		for _, resource := range resources {
			if err := resource.Get(); err == nil {
				c.status(fmt.Sprintf("waiting for %s %s to be gone",
					resource.Mapping.GroupVersionKind.Kind, resource.ObjectName()))
				return false, nil
			} else if !apierrors.IsNotFound(err) {
				return false, err
			}
		}
		return true, nil
	})
}

func (c *promptClient) poll(timeout time.Duration, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(c.ctx, timeout)
	defer cancel()
	for delay := 100 * time.Millisecond; ; delay = min(delay*3/2, 2*time.Second) {
		if ok, err := done(ctx); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(delay):
		}
	}
}

// transient tells errors that may pass: anything but an answer that says no.
func transient(err error) bool {
	status, ok := err.(apierrors.APIStatus)
	if !ok {
		return true
	}
	code := status.Status().Code
	return code == 0 || code == 429 || code >= 500 && code != 501
}
