package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/csaupgrade"
)

const (
	patchForce        = "pulumi.com/patchForce"
	patchFieldManager = "pulumi.com/patchFieldManager"
)

// fieldManager names the owner of a resource's fields in server-side apply:
// the one asked for, the one it had, or a new one. Each resource has its own,
// so that two patches of one object do not undo each other.
func fieldManager(state resource.PropertyMap, inputs *unstructured.Unstructured) string {
	if name := inputs.GetAnnotations()[patchFieldManager]; name != "" {
		return name
	}
	if name := stringOf(state, fieldManagerKey); name != "" {
		return name
	}
	name, err := resource.NewUniqueName(nil, createManager+"-", 0, 0, nil)
	if err != nil { // no randomness left
		return createManager
	}
	return name
}

type applyOptions struct {
	preview, force, warnUnknown bool
}

// apply sends the inputs by server-side apply. The API server creates a
// missing object, for a patch too: the real provider leaves it to that.
func (p *provider) apply(
	client dynamic.ResourceInterface, inputs *unstructured.Unstructured, manager string, o applyOptions,
) (*unstructured.Unstructured, error) {
	body, err := json.Marshal(inputs.Object)
	if err != nil {
		return nil, err
	}
	options := metav1.PatchOptions{FieldManager: manager, Force: &o.force, DryRun: dryRun(o.preview)}
	if o.warnUnknown {
		options.FieldValidation = metav1.FieldValidationWarn
	}
	live, err := client.Patch(p.ctx, inputs.GetName(), types.ApplyPatchType, body, options)
	if apierrors.IsConflict(err) {
		err = errors.Join(
			errors.New("server-side apply field conflict detected; set the annotation "+
				"pulumi.com/patchForce to take the fields over"),
			fmt.Errorf("The resource managed by field manager %q had an apply conflict: %w", manager, err))
	}
	return live, err
}

// forces decides whether to take fields over from other managers.
func (p *provider) forces(inputs, live *unstructured.Unstructured, preview bool) bool {
	if p.settings.patchForce || inputs.GetAnnotations()[patchForce] == "true" {
		return true
	}
	if live == nil {
		return preview // a replacement must not conflict with what it replaces
	}
	if preview { // the real update adopts these fields first
		for _, entry := range live.GetManagedFields() {
			if entry.Operation == metav1.ManagedFieldsOperationUpdate && creators.Has(entry.Manager) {
				return true
			}
		}
	}
	return len(live.GetManagedFields()) == 0
}

// creators own the fields of objects that this provider created.
var creators = sets.New(createManager, "pulumi-kubernetes.exe", "pulumi-resource-kubernetes")

// adoptable tells which owner's fields an update takes over: what was set at
// creation, and what people set by kubectl, with any of its commands. A preview
// does not, and may thus report a conflict with kubectl that `up` has not.
func adoptable(entry metav1.ManagedFieldsEntry) bool {
	if entry.Subresource != "" {
		return false
	}
	of := func(prefix string) bool { return strings.HasPrefix(entry.Manager, prefix) }
	if entry.Operation == metav1.ManagedFieldsOperationApply {
		return of("kubectl")
	}
	return slices.ContainsFunc([]string{createManager, "pulumi-resource-kubernetes", "kubectl", "before-first-apply"}, of)
}

// adoptFields makes the manager own what was set when the object was created.
// Otherwise two managers own the fields, and none could be removed again.
func (p *provider) adoptFields(
	client dynamic.ResourceInterface, live *unstructured.Unstructured, manager string,
) (*unstructured.Unstructured, error) {
	former := sets.New[string]()
	entries := live.GetManagedFields()
	for i, entry := range entries {
		if entry.Manager != manager && adoptable(entry) {
			former.Insert(entry.Manager)
			entries[i].Operation = metav1.ManagedFieldsOperationUpdate // the only kind that is moved below
		}
	}
	marked := live.DeepCopy()
	marked.SetManagedFields(entries)
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(marked, former, manager)
	if err != nil || patch == nil {
		return live, err
	}
	return client.Patch(p.ctx, live.GetName(), types.JSONPatchType, patch, metav1.PatchOptions{})
}

// relinquish gives up every field the manager owns, by applying none.
func (p *provider) relinquish(client dynamic.ResourceInterface, live *unstructured.Unstructured, manager string) error {
	bare := &unstructured.Unstructured{}
	bare.SetGroupVersionKind(live.GroupVersionKind())
	bare.SetNamespace(live.GetNamespace())
	bare.SetName(live.GetName())
	_, err := p.apply(client, bare, manager, applyOptions{})
	return err
}

// deletePatch leaves the object and gives up the patch's fields. Like the real
// provider it does not look whether the object is still there: applying nothing
// to one that is gone brings an empty one to life, or fails.
func (p *provider) deletePatch(client dynamic.ResourceInterface, live *unstructured.Unstructured, manager string) error {
	err := p.relinquish(client, live, manager)
	if cause, ok := apierrors.StatusCause(err, metav1.CauseTypeFieldValueRequired); ok {
		return fmt.Errorf("this Patch resource is currently managing a required field, so it can't be deleted "+
			"directly. Either set the `retainOnDelete` resource option, or transfer ownership of the "+
			"field before deleting: %s", cause.Field)
	}
	return err
}
