package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// Annotations that steer the provider.
const (
	autonamed      = "pulumi.com/autonamed"
	skipAwait      = "pulumi.com/skipAwait"
	waitFor        = "pulumi.com/waitFor"
	timeoutSeconds = "pulumi.com/timeoutSeconds"
	propagation    = "pulumi.com/deletionPropagationPolicy"
)

// createManager owns the fields of an object when it is created. The first
// update hands them to the resource's own manager; see adoptFields.
const createManager = "pulumi-kubernetes"

// checkObject completes the inputs: a name where none is given, the default
// namespace for kinds that live in one.
func (p *provider) checkObject(
	urn resource.URN, olds, news resource.PropertyMap, req *pulumirpc.CheckRequest,
) (resource.PropertyMap, error) {
	gvk, err := typeGVK(string(urn.Type()))
	if err != nil {
		return nil, err
	}
	inputs, old := normalize(toObject(news)), toObject(olds)
	patch := isPatch(urn, inputs.GetKind())
	if patch {
		gvk.Kind = inputs.GetKind()
	}

	metadata, ok := inputs.Object["metadata"].(map[string]any)
	if inputs.Object["metadata"] == nil {
		metadata, ok = map[string]any{}, true
		inputs.Object["metadata"] = metadata
	}
	if !ok { // unknown as a whole: nothing to complete yet
		return checked(inputs, news), nil
	}
	if name, _ := metadata["name"].(string); metadata["name"] == nil || name == "" && !hasUnknown(metadata["name"]) {
		if patch {
			return nil, errors.New("patch resources require the `.metadata.name` field to be set")
		}
		if metadata["generateName"] != nil {
			return nil, errors.New("the `.metadata.generateName` field is not supported in Server-Side Apply mode")
		}
		if err := autoname(urn, metadata, old, req); err != nil {
			return nil, err
		}
	}
	if ns := metadata["namespace"]; (ns == nil || ns == "") && p.settings.namespace != "" && p.cluster.namespaced(gvk) {
		metadata["namespace"] = p.settings.namespace
	}
	return checked(inputs, news), nil
}

func checked(inputs *unstructured.Unstructured, news resource.PropertyMap) resource.PropertyMap {
	m := resource.NewPropertyMapFromMap(inputs.Object)
	keepSecrets(m, news)
	return m
}

// autoname keeps the name an earlier run invented, or invents one. The
// annotation tells Diff that a replacement may take a new name.
func autoname(urn resource.URN, metadata map[string]any, old *unstructured.Unstructured, req *pulumirpc.CheckRequest) error {
	name := old.GetName()
	if name == "" || old.GetAnnotations()[autonamed] != "true" {
		var err error
		if name, err = resource.NewUniqueName(req.GetRandomSeed(), urn.Name()+"-", 0, 0, nil); err != nil {
			return err
		}
		switch options := req.GetAutonaming(); options.GetMode() {
		case pulumirpc.CheckRequest_AutonamingOptions_DISABLE:
			return errors.New("autonaming is disabled, resource requires the .metadata.name field to be set")
		default:
			if proposed := options.GetProposedName(); proposed != "" {
				name = proposed
			}
		}
	}
	metadata["name"] = name
	if metadata["annotations"] == nil {
		metadata["annotations"] = map[string]any{}
	}
	if annotations, ok := metadata["annotations"].(map[string]any); ok {
		annotations[autonamed] = "true"
	}
	return nil
}

// diffObject compares new inputs with the live object as the state has it. The
// second result tells that a replacement would take the same name, so that the
// old object has to go first.
func (p *provider) diffObject(
	urn resource.URN, state, news resource.PropertyMap,
) (map[string]*pulumirpc.PropertyDiff, bool) {
	oldInputs, live := fromCheckpoint(state)
	oldInputs, inputs := normalize(oldInputs), normalize(toObject(news))
	pruned := &unstructured.Unstructured{Object: prune(live.Object, oldInputs.Object)}
	if pruned.Object == nil {
		pruned.Object = map[string]any{}
	}

	// The live object says whether its kind lives in a namespace.
	if live.GetNamespace() != "" {
		setMissing(pruned, live.GetNamespace(), "metadata", "namespace")
		setMissing(inputs, "default", "metadata", "namespace")
	} else {
		unstructured.RemoveNestedField(pruned.Object, "metadata", "namespace")
		unstructured.RemoveNestedField(inputs.Object, "metadata", "namespace")
	}
	setMissing(pruned, live.GetAPIVersion(), "apiVersion")
	setMissing(pruned, live.GetKind(), "kind")
	// A program may come to spell out the name that was invented for it.
	if inputs.GetName() != "" {
		setMissing(pruned, live.GetName(), "metadata", "name")
	}

	forceNew := identity
	if !isPatch(urn, inputs.GetKind()) {
		forceNew = p.forceNew(inputs)
	}
	changes := diff(pruned.Object, pruned.Object, inputs.Object, forceNew)
	keepsName := inputs.GetAnnotations()[autonamed] != "true" &&
		inputs.GetName() == live.GetName() && inputs.GetNamespace() == live.GetNamespace()
	return changes, keepsName
}

func setMissing(obj *unstructured.Unstructured, value string, path ...string) {
	parent := obj.Object
	for _, key := range path[:len(path)-1] {
		next, ok := parent[key].(map[string]any)
		if !ok {
			return
		}
		parent = next
	}
	if key := path[len(path)-1]; parent[key] == nil || parent[key] == "" {
		parent[key] = value
	}
}

// identity is what makes an object another one.
var identity = []string{".metadata.name", ".metadata.namespace"}

// forceNew lists the fields of a kind that the API server does not change in
// place, as the real provider knows them. It leaves out the longest lists, of
// Pod and PersistentVolume.
func (p *provider) forceNew(obj *unstructured.Unstructured) []string {
	fields := map[schema.GroupKind][]string{
		{Group: "apps", Kind: "DaemonSet"}:  {".spec.selector"},
		{Group: "apps", Kind: "Deployment"}: {".spec.selector"},
		{Group: "apps", Kind: "StatefulSet"}: {
			".spec.podManagementPolicy", ".spec.revisionHistoryLimit", ".spec.selector",
			".spec.serviceName", ".spec.volumeClaimTemplates",
		},
		{Group: "batch", Kind: "Job"}: {
			".spec.completions", ".spec.parallelism", ".spec.selector", ".spec.template",
		},
		{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}: {".roleRef"},
		{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}:        {".roleRef"},
		{Group: "storage.k8s.io", Kind: "StorageClass"}:                  {".parameters", ".provisioner"},
		{Kind: "PersistentVolumeClaim"}: {
			".spec.accessModes", ".spec.selector", ".spec.storageClassName", ".spec.volumeName",
		},
		{Kind: "ResourceQuota"}: {".spec.scopes"},
		{Kind: "Secret"}:        {".type"},
		{Kind: "Service"}:       {".spec.clusterIP"},
	}
	immutable := obj.Object["immutable"] == true
	kind := obj.GroupVersionKind().GroupKind()
	switch {
	case kind == schema.GroupKind{Kind: "Secret"} && (!p.settings.mutableSecrets || immutable):
		return append([]string{".type", ".stringData", ".data"}, identity...)
	case kind == schema.GroupKind{Kind: "ConfigMap"} && (!p.settings.mutableConfigMaps || immutable):
		return append([]string{".binaryData", ".data"}, identity...)
	}
	return append(fields[kind], identity...)
}

func (p *provider) createObject(op operation, news resource.PropertyMap) (string, resource.PropertyMap, error) {
	inputs := toObject(news)
	patch := isPatch(op.urn, inputs.GetKind())
	// A patch is not previewed: its target may not be there yet. Nor is what
	// holds unknown values or needs a definition that is still to come.
	if op.preview && (patch || hasUnknown(inputs.Object) || !p.cluster.serves(inputs)) {
		return "", news, nil
	}
	manager := fieldManager(nil, inputs)

	live, err := p.submit(op, inputs, manager, patch || p.settings.upsert)
	switch {
	case err == nil:
	case op.preview && (apierrors.IsForbidden(err) || apierrors.IsAlreadyExists(err) || missingNamespace(err)):
		return "", news, nil
	case meta.IsNoMatchError(err):
		gvk := inputs.GroupVersionKind()
		return "", nil, fmt.Errorf("creation of resource %q with kind %s/%s failed because the Kubernetes API server "+
			"reported that the apiVersion for this resource does not exist. "+
			"Verify that any required CRDs have been created: %w", op.urn, gvk.GroupVersion(), gvk.Kind, err)
	case apierrors.IsAlreadyExists(err):
		err = fmt.Errorf("%w\n\nThe resource already exists in the cluster. To take it over, use `pulumi import` "+
			"or the provider setting upsertExistingObjects; to manage some of its fields, use a Patch resource", err)
		fallthrough
	default:
		return "", nil, fmt.Errorf(
			"resource %q was not successfully created by the Kubernetes API server: %w", op.urn, err)
	}

	if op.preview {
		// A status of the dry run would be taken for the real one.
		unstructured.RemoveNestedField(live.Object, "status")
	} else {
		var waitErr error
		if live, waitErr = p.awaitReady(op, inputs, live); waitErr != nil {
			err = fmt.Errorf("resource %q was successfully created, but the Kubernetes API server "+
				"reported that it failed to fully initialize or become live: %w", op.urn, waitErr)
		}
		if isDefinition(inputs) {
			p.cluster.mapper.Reset()
		}
	}
	return objectID(live), checkpoint(inputs, live, news, inputs.GetAPIVersion(), manager), err
}

// submit sends a new object. Objects that must not exist yet are created, not
// applied: since 4.29 an existing one is an error. While the namespace or the
// kind's definition is missing it tries again, since whoever makes them may
// not be a dependency.
func (p *provider) submit(
	op operation, inputs *unstructured.Unstructured, manager string, apply bool,
) (live *unstructured.Unstructured, err error) {
	const retries = 5
	delay := time.Second
	for attempt := 0; ; attempt++ {
		var client dynamic.ResourceInterface
		if client, err = p.cluster.client(inputs); err == nil {
			if apply {
				live, err = p.apply(client, inputs, manager, applyOptions{
					preview: op.preview, force: p.forces(inputs, nil, op.preview), warnUnknown: true,
				})
			} else {
				live, err = client.Create(p.ctx, inputs, metav1.CreateOptions{
					FieldManager: createManager, DryRun: dryRun(op.preview),
				})
			}
		}
		retriable := apierrors.IsNotFound(err) || meta.IsNoMatchError(err)
		if err == nil || !retriable || op.preview || attempt == retries {
			break
		}
		p.engine.status(op.urn, fmt.Sprintf("Retry #%d; creation failed: %v", attempt, err))
		select {
		case <-time.After(delay):
		case <-p.ctx.Done():
			return nil, cancelled(p.ctx, inputs.GetName())
		}
		delay *= 2
	}
	return live, err
}

func (p *provider) updateObject(op operation, state, news resource.PropertyMap) (resource.PropertyMap, error) {
	inputs := normalize(toObject(news))
	if op.preview && (hasUnknown(inputs.Object) || !p.cluster.serves(inputs)) {
		return news, nil
	}
	oldInputs, oldLive := fromCheckpoint(state)
	oldManager, manager := fieldManager(state, oldInputs), fieldManager(state, inputs)

	client, err := p.cluster.client(inputs)
	if meta.IsNoMatchError(err) {
		return nil, fmt.Errorf("update of resource %q failed because the Kubernetes API server reported that the "+
			"apiVersion for this resource does not exist. Verify that any required CRDs have been created: %w",
			op.urn, err)
	} else if err != nil {
		return nil, err
	}
	live, updateErr := p.change(op, client, oldLive.GetName(), inputs, manager)
	if op.preview && apierrors.IsForbidden(updateErr) {
		return news, nil
	}
	if updateErr == nil && !op.preview {
		live, updateErr = p.awaitReady(op, inputs, live)
	}
	if updateErr != nil {
		// The object is there, in whatever condition: keep what is known of it.
		current, err := client.Get(p.ctx, oldLive.GetName(), metav1.GetOptions{})
		if err != nil {
			return nil, errors.Join(
				fmt.Errorf("update of resource %q failed: %w", op.urn, updateErr),
				fmt.Errorf("unable to get cluster state: %w", err))
		}
		live = current
		updateErr = fmt.Errorf("the Kubernetes API server reported that %q failed to fully initialize "+
			"or become live: %w", objectID(live), updateErr)
	} else if !op.preview && manager != oldManager {
		if err := p.relinquish(client, live, oldManager); err != nil {
			return nil, err
		}
	}
	return checkpoint(inputs, live, news, initialAPIVersion(state, inputs), manager), updateErr
}

// change updates a live object.
func (p *provider) change(
	op operation, client dynamic.ResourceInterface, name string, inputs *unstructured.Unstructured, manager string,
) (*unstructured.Unstructured, error) {
	live, err := client.Get(p.ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if isDefinition(inputs) {
		// Applying a definition would keep versions that are to go.
		replacement := inputs.DeepCopy()
		replacement.SetResourceVersion(live.GetResourceVersion())
		return client.Update(p.ctx, replacement, metav1.UpdateOptions{
			FieldManager: manager, DryRun: dryRun(op.preview),
		})
	}
	if !op.preview && !isPatch(op.urn, inputs.GetKind()) {
		if live, err = p.adoptFields(client, live, manager); err != nil {
			return nil, err
		}
	}
	return p.apply(client, inputs, manager, applyOptions{
		preview: op.preview, force: p.forces(inputs, live, op.preview),
	})
}

func (p *provider) readObject(
	urn resource.URN, id string, state, inputs resource.PropertyMap,
) (resource.PropertyMap, resource.PropertyMap, error) {
	namespace, name := splitID(id)
	oldInputs, oldLive := normalize(toObject(inputs)), &unstructured.Unstructured{}
	if _, oldLive = fromCheckpoint(state); oldInputs.GetKind() == "" {
		gvk := oldLive.GroupVersionKind()
		if gvk.Empty() {
			var err error
			if gvk, err = typeGVK(string(urn.Type())); err != nil {
				return nil, nil, err
			}
		}
		oldInputs.SetGroupVersionKind(gvk)
		oldInputs.SetName(name)
		if namespace != "" {
			oldInputs.SetNamespace(namespace)
		}
	}

	client, err := p.cluster.client(oldInputs)
	if meta.IsNoMatchError(err) {
		return nil, nil, nil // the definition is gone, and the object with it
	} else if err != nil {
		return nil, nil, err
	}
	live, err := client.Get(p.ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}

	liveInputs := &unstructured.Unstructured{Object: prune(live.Object, oldInputs.Object)}
	newInputs := fromObject(liveInputs)
	keepSecrets(newInputs, inputs)
	newState := checkpoint(liveInputs, live, inputs, initialAPIVersion(state, oldInputs), fieldManager(state, oldInputs))
	return newState, newInputs, p.readiness(oldInputs, live)
}

// deleteObject deletes and waits until the object is gone. It returns the last
// state seen when the wait ends too early.
func (p *provider) deleteObject(op operation, id string, state resource.PropertyMap) (resource.PropertyMap, error) {
	inputs, live := fromCheckpoint(state)
	client, err := p.cluster.client(live)
	if meta.IsNoMatchError(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if isPatch(op.urn, live.GetKind()) {
		return nil, p.deletePatch(client, live, fieldManager(state, inputs))
	}

	_, name := splitID(id)
	policy := metav1.DeletePropagationForeground
	switch strings.ToLower(inputs.GetAnnotations()[propagation]) {
	case "orphan":
		policy = metav1.DeletePropagationOrphan
	case "background":
		policy = metav1.DeletePropagationBackground
	}
	err = client.Delete(p.ctx, name, metav1.DeleteOptions{PropagationPolicy: &policy})
	if apierrors.IsNotFound(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	last, err := p.awaitGone(op, client, inputs, live)
	if err == nil {
		return nil, nil
	}
	return checkpoint(inputs, last, state, initialAPIVersion(state, inputs), fieldManager(state, inputs)), err
}

// timeoutFor is how long to wait: the resource option, the annotation, or ten
// minutes.
func timeoutFor(op operation, inputs *unstructured.Unstructured) time.Duration {
	if op.timeout > 0 {
		return op.timeout
	}
	if s, err := strconv.Atoi(inputs.GetAnnotations()[timeoutSeconds]); err == nil {
		return time.Duration(s) * time.Second
	}
	return 10 * time.Minute
}

func initialAPIVersion(state resource.PropertyMap, inputs *unstructured.Unstructured) string {
	if v := stringOf(state, initialAPIVersionKey); v != "" {
		return v
	}
	return inputs.GetAPIVersion()
}

func objectID(obj *unstructured.Unstructured) string {
	return joinID(obj.GetNamespace(), obj.GetName())
}

func joinID(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

func splitID(id string) (namespace, name string) {
	namespace, name, ok := strings.Cut(id, "/")
	if !ok {
		return "", namespace
	}
	return namespace, name
}

func isDefinition(obj *unstructured.Unstructured) bool {
	gvk := obj.GroupVersionKind()
	return gvk.Group == "apiextensions.k8s.io" && gvk.Kind == "CustomResourceDefinition"
}

// missingNamespace tells a preview that runs ahead of its namespace.
func missingNamespace(err error) bool {
	var status apierrors.APIStatus
	return apierrors.IsNotFound(err) && errors.As(err, &status) &&
		status.Status().Details != nil && status.Status().Details.Kind == "namespaces"
}

func dryRun(preview bool) []string {
	if preview {
		return []string{metav1.DryRunAll}
	}
	return nil
}
