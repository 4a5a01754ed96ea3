package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// condition judges an object: is the wait over, and if not, what is missing?
type condition func(*unstructured.Unstructured) (done bool, progress string, err error)

// unreadyError says that a wait ended too early, and what was missing.
type unreadyError struct {
	message string
	details []string
}

func (e *unreadyError) Error() string { return e.message }

// awaitReady waits for the conditions that the object's annotation names, or
// else for what its kind needs to be of use. It returns the last object seen,
// with an error too.
func (p *provider) awaitReady(
	op operation, inputs, live *unstructured.Unstructured,
) (*unstructured.Unstructured, error) {
	if inputs.GetAnnotations()[skipAwait] == "true" {
		return live, nil
	}
	ready, kindOnly := kindReady(live.GroupVersionKind().GroupKind()), true
	if expr := live.GetAnnotations()[waitFor]; expr != "" {
		var err error
		if ready, err = parseWaitFor(expr); err != nil {
			return live, err
		}
		kindOnly = false
	}
	if ready == nil {
		return live, nil
	}
	client, err := p.cluster.client(live)
	if err != nil {
		return live, err
	}

	ctx, cancel := context.WithTimeout(p.ctx, timeoutFor(op, inputs))
	defer cancel()
	last, err := p.until(ctx, op.urn, client, live, ready, nil)
	if err == nil {
		return last, nil
	}
	if ctx.Err() == nil {
		return last, err
	}
	if err := cancelled(ctx, live.GetName()); err != nil {
		return last, err
	}
	unready := &unreadyError{message: wait.ErrorInterrupted(nil).Error()}
	if kindOnly {
		unready.message = fmt.Sprintf("'%s' timed out waiting to be Ready", live.GetName())
	}
	if _, progress, _ := ready(last); progress != "" {
		unready.details = []string{progress}
	}
	return last, unready
}

// readiness judges a workload once, for a refresh.
func (p *provider) readiness(inputs, live *unstructured.Unstructured) error {
	kind := live.GroupVersionKind().GroupKind()
	ready := kindReady(kind)
	if ready == nil || kind.Group == "" || inputs.GetAnnotations()[skipAwait] == "true" {
		return nil
	}
	if done, progress, _ := ready(live); !done {
		return &unreadyError{
			message: fmt.Sprintf("Resource '%s' was created but failed to initialize", live.GetName()),
			details: []string{progress},
		}
	}
	return nil
}

// awaitGone waits until the object is gone, and returns it as last seen.
func (p *provider) awaitGone(
	op operation, client dynamic.ResourceInterface, inputs, live *unstructured.Unstructured,
) (*unstructured.Unstructured, error) {
	if inputs.GetAnnotations()[skipAwait] == "true" && skipsDeletion[live.GetKind()] {
		return live, nil
	}
	ctx, cancel := context.WithTimeout(p.ctx, timeoutFor(op, inputs))
	defer cancel()
	remains := func(obj *unstructured.Unstructured) (bool, string, error) {
		if obj.GetUID() != live.GetUID() && live.GetUID() != "" {
			return true, "", nil // another one took the name
		}
		return false, deletionProgress(obj), nil
	}
	last, err := p.until(ctx, op.urn, client, live, remains, func() bool {
		_, err := client.Get(ctx, live.GetName(), metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
	if err == nil {
		return last, nil
	}
	if ctx.Err() == nil {
		return last, err
	}
	if err := cancelled(ctx, live.GetName()); err != nil {
		return last, err
	}
	if _, err := client.Get(p.ctx, live.GetName(), metav1.GetOptions{}); apierrors.IsNotFound(err) {
		return last, nil
	}
	p.engine.warn(op.urn, fmt.Sprintf("finalizers might be preventing deletion (%s)",
		strings.Join(last.GetFinalizers(), ", ")))
	return last, &unreadyError{message: wait.ErrorInterrupted(nil).Error(), details: []string{deletionProgress(last)}}
}

// skipsDeletion lists the kinds whose deletion pulumi.com/skipAwait does not
// wait for either; it should not, but the real provider keeps it that way
// (pulumi-kubernetes issue 1232).
var skipsDeletion = map[string]bool{
	"Namespace": true, "Pod": true, "ReplicationController": true, "DaemonSet": true,
	"Deployment": true, "StatefulSet": true, "Job": true,
}

func deletionProgress(obj *unstructured.Unstructured) string {
	conditions, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, c := range conditions { // a namespace says what it still holds
		if c, ok := c.(map[string]any); ok && c["status"] == "True" && strings.Contains(fmt.Sprint(c["type"]), "Remaining") {
			return fmt.Sprint(c["message"])
		}
	}
	if finalizers := obj.GetFinalizers(); len(finalizers) > 0 {
		return "waiting for finalizers: " + strings.Join(finalizers, ", ")
	}
	return "waiting for " + strings.ToLower(obj.GetKind()) + " " + obj.GetName() + " to be gone"
}

// until watches one object until the condition holds, and returns the object
// as last seen. With gone given, it is the object's end that is waited for;
// gone looks whether that came before the watch.
func (p *provider) until(
	ctx context.Context, urn resource.URN, client dynamic.ResourceInterface,
	last *unstructured.Unstructured, done condition, gone func() bool,
) (*unstructured.Unstructured, error) {
	status := p.engine.statusOnce(urn)
	check := func(event watch.Event) (bool, error) {
		obj, ok := event.Object.(*unstructured.Unstructured)
		if !ok {
			return false, apierrors.FromObject(event.Object)
		}
		if obj.GetGeneration() < last.GetGeneration() {
			return false, nil // from a cache that lags behind our own change
		}
		last = obj
		if event.Type == watch.Deleted {
			if gone != nil {
				return true, nil
			}
			return false, fmt.Errorf("%s was deleted while waiting for it", objectID(obj))
		}
		ok, progress, err := done(obj)
		if !ok && progress != "" {
			status(progress)
		}
		return ok, err
	}

	if gone == nil { // often there is nothing to wait for
		if ok, err := check(watch.Event{Type: watch.Added, Object: last}); ok || err != nil {
			return last, err
		}
	}
	selector := "metadata.name=" + last.GetName()
	_, err := watchtools.UntilWithSync(ctx, &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = selector
			return client.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = selector
			return client.Watch(ctx, o)
		},
	}, &unstructured.Unstructured{}, func(cache.Store) (bool, error) {
		return gone != nil && gone(), nil
	}, check)
	if err == nil {
		status("")
	}
	return last, err
}

// kindReady is what the real provider waits for, for the kinds this one needs:
// workloads with all of their pods, jobs to their end, quotas in force. The
// other kinds are of use once they exist; nil stands for that.
func kindReady(kind schema.GroupKind) condition {
	switch kind {
	case schema.GroupKind{Group: "apps", Kind: "Deployment"},
		schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		return rolledOut
	case schema.GroupKind{Group: "batch", Kind: "Job"}:
		return completed
	case schema.GroupKind{Kind: "ResourceQuota"}:
		return func(obj *unstructured.Unstructured) (bool, string, error) {
			want, _, _ := unstructured.NestedMap(obj.Object, "spec", "hard")
			have, _, _ := unstructured.NestedMap(obj.Object, "status", "hard")
			return reflect.DeepEqual(want, have), "waiting for the quota to come into force", nil
		}
	}
	return nil
}

func rolledOut(obj *unstructured.Unstructured) (bool, string, error) {
	count := func(fallback int64, path ...string) int64 {
		if n, ok, _ := unstructured.NestedInt64(obj.Object, path...); ok {
			return n
		}
		return fallback
	}
	want := count(1, "spec", "replicas")
	updated, ready := count(0, "status", "updatedReplicas"), count(0, "status", "availableReplicas")
	done := count(0, "status", "observedGeneration") >= obj.GetGeneration() &&
		updated >= want && ready >= want && count(0, "status", "replicas") <= updated
	progress := fmt.Sprintf("waiting for %s %s: %d/%d ready", obj.GetKind(), obj.GetName(), ready, want)
	if reason := conditionMessage(obj, "ReplicaFailure", "True"); reason != "" {
		progress += " (" + reason + ")"
	} else if reason := conditionMessage(obj, "Progressing", "False"); reason != "" {
		progress += " (" + reason + ")"
	}
	return done, progress, nil
}

func completed(obj *unstructured.Unstructured) (bool, string, error) {
	if reason := conditionMessage(obj, "Failed", "True"); reason != "" {
		return false, reason, errors.New("job failed: " + reason)
	}
	active, _, _ := unstructured.NestedInt64(obj.Object, "status", "active")
	return hasCondition(obj, "Complete", "True"),
		fmt.Sprintf("waiting for Job %s to complete (%d active)", obj.GetName(), active), nil
}

func conditionMessage(obj *unstructured.Unstructured, kind, status string) string {
	conditions, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == kind && c["status"] == status {
			return fmt.Sprintf("[%v] %v", c["reason"], c["message"])
		}
	}
	return ""
}

func hasCondition(obj *unstructured.Unstructured, kind, status string) bool {
	return conditionMessage(obj, kind, status) != ""
}
